"""The Lambda entry points: `handler` for requests and the schedule, `migrate` for deployments."""

import gc
import os
from typing import Any

from app.aws.custom_resource import answer, bring_to_head


def migrate(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Migrate to head: as a custom resource of CloudFormation, or invoked by hand with `{}`."""
    return answer(event, context, bring_to_head)


# `migrate` imports the application later: CloudFormation gets an answer even if that fails.
if os.environ.get("_HANDLER") != "handler.migrate":
    # Imported objects are permanent: collecting garbage meanwhile takes a tenth of the cold start.
    gc.disable()
    from pydantic import BaseModel

    # Build each model at its first use: /openapi.json alone needs forty of FastAPI's.
    BaseModel.model_config["defer_build"] = True

    from app.aws.adapter import LambdaHandler
    from app.main import create_app
    from app.settings.model import Settings

    handler = LambdaHandler(create_app, Settings())
    gc.freeze()
    gc.enable()
