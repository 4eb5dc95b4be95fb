"""Bodies of one or two fields, for routes without a model of their own."""

from typing import Annotated

from fastapi import Body

from app.users.emails import Email

EmailBody = Annotated[Email, Body(embed=True, examples=["king@camelot.bt"])]
TextBody = Annotated[str, Body(embed=True)]
