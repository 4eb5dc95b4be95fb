"""Names of devices, from their User-Agent header."""

import asyncio
from collections.abc import Iterable
from functools import lru_cache

_NAME_MAX = 40  # characters


async def name_devices(user_agents: Iterable[str]) -> dict[str, str]:
    """Return the name of each user agent's device, as `Firefox on Linux`.

    In a thread: the patterns take a tenth of a second to load the first time.
    """
    return await asyncio.to_thread(lambda: {each: name_device(each) for each in user_agents})


@lru_cache(1_000)
def name_device(user_agent: str) -> str:
    """Return the name of a user agent's device; for an unknown one, its first word."""
    # They take 35 MB, which only those need who look at their sessions.
    from ua_parser import parse_os, parse_user_agent

    browser, system = parse_user_agent(user_agent), parse_os(user_agent)
    words = [browser.family] if browser is not None else user_agent.replace("/", " ").split()
    name = "".join(words[:1])[:_NAME_MAX] or "unknown"
    return name if system is None or system.family == name else f"{name} on {system.family}"
