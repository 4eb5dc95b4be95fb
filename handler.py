"""What AWS Lambda calls: `handler` for requests and the schedule, `migrate` when we deploy."""

import os
from typing import Any

from app.deployment import answer, bring_to_head


def migrate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Migrate to head: as a custom resource of CloudFormation, or invoked by hand with `{}`."""
    return answer(event, context, bring_to_head)


# CloudFormation gets its answer whatever is wrong with the application: that is loaded later there.
if os.environ.get("_HANDLER") != "handler.migrate":
    from pydantic import BaseModel

    # A model is built when it is first used: FastAPI brings forty, for /openapi.json alone.
    BaseModel.model_config["defer_build"] = True

    from app.sandbox import Sandbox

    handler = Sandbox()
