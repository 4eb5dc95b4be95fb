"""Defects of sessions and their tokens."""

from tests.mutants.planted import Edit, Mutant

REFRESH = "app/auth/refresh.py"
GUARD = "app/auth/guard.py"
STORE = "app/sessions/store.py"
TOKENS = "app/crypto/access_tokens.py"
LAST_SEEN = "app/auth/last_seen.py"

COOKIES = "tests/contract/test_cookie.py"
CROSS_SITE = f"{COOKIES}::test_another_sites_page_changes_nothing_with_the_cookie"
OLDER = "tests/contract/test_refresh.py::test_an_older_token_ends_the_session[in-process]"
AGES = "tests/auth/test_refresh.py"
FORGED = "tests/contract/test_login.py::test_forged_tokens"
SEEN = "tests/auth/test_last_seen.py"

MUTANTS = [
    Mutant(
        "a used refresh token that works again",
        [Edit(REFRESH, "elif not _is_repeat(session, read.counter):", "elif False:")],
        ("sqlite",),
        OLDER,
        "200",
    ),
    Mutant(
        "a used refresh token whose session goes on",
        [
            Edit(
                "app/errors.py",
                'code = "REFRESH_TOKEN_REUSED"\n    keeps_writes = True',
                'code = "REFRESH_TOKEN_REUSED"',
            )
        ],
        ("sqlite",),
        OLDER,
        "200",
    ),
    Mutant(
        "a refresh that can be repeated for ever",
        [Edit(REFRESH, "<= REPEAT_WINDOW + CLOCK_TOLERANCE", "is not None")],
        ("sqlite",),
        f"{AGES}::test_a_repeat_is_answered_alike_until_the_window_ends",
        "DID NOT RAISE",
    ),
    Mutant(
        "a refresh token without a MAC",
        [Edit("app/crypto/refresh_tokens.py", "if not any(matches):", "if not matches:")],
        ("sqlite",),
        "tests/contract/test_refresh.py::test_forged_refresh_tokens[in-process]",
        "KeyError: 'detail'",
    ),
    Mutant(
        "a session that is refreshed for ever",
        [Edit(STORE, "        created_at + timedelta", "        used_at + timedelta")],
        ("sqlite",),
        f"{AGES}::test_a_session_ends_when_it_is_idle_or_old",
        "assert",
    ),
    Mutant(
        "a refresh for an account that is not verified",
        [
            Edit(
                REFRESH,
                "resources.settings.require_verified and not user.is_verified",
                "user is None",
            )
        ],
        ("sqlite",),
        "tests/contract/test_refresh.py"
        "::test_an_address_that_is_not_verified_gets_no_token[in-process]",
        "KeyError: 'detail'",
    ),
    Mutant(
        "a cookie that another site's page can use",
        [Edit(GUARD, "if reader.is_ambient:\n", "if False:\n")],
        ("sqlite",),
        f"{CROSS_SITE}[in-process-{{}}]",
        "200|204",
    ),
    Mutant(
        "a log-in that another site's page can send",
        [Edit("app/auth/cookie_login.py", ", Depends(require_page)],", "],")],
        ("sqlite",),
        f"{CROSS_SITE}[in-process-{{}}]",
        "JSONDecodeError",
    ),
    Mutant(
        "an origin that only begins like ours",
        [
            Edit(
                "app/auth/csrf.py",
                'if request.headers.get("Origin") not in (',
                'if not request.headers.get("Origin", "").startswith((',
            ),
            Edit("app/auth/csrf.py", "*settings.origins):", "*settings.origins)):"),
        ],
        ("sqlite",),
        f"{CROSS_SITE}[in-process-{{'Origin': 'http://127.0.0.1:8080.evil.bt'}}]",
        "200",
    ),
    Mutant(
        "a forwarded method that is taken for GET",
        [Edit("app/routes.py", ", method=original_method)", ")")],
        ("sqlite",),
        f"{COOKIES}::test_the_method_that_a_proxy_forwards_is_protected_too[in-process]",
        "JSONDecodeError",
    ),
    Mutant(
        "another kind of token that is taken for an access token",
        [Edit(TOKENS, ' or header.get("typ") != TYPE', "")],
        ("sqlite",),
        f"{FORGED}[in-process-{{'headers': {{'typ': 'JWT'}}}}]",
        "200",
    ),
    Mutant(
        "an access token of another issuer",
        [Edit(TOKENS, "            issuer=self.issuer,\n", "")],
        ("sqlite",),
        f"{FORGED}[in-process-{{'iss': 'https://id.camelot.bt'}}]",
        "200",
    ),
    Mutant(
        "a token of the last release that is refused",
        [Edit("app/auth/transports.py", 'UUID(legacy["jti"]) if legacy', "None if legacy")],
        ("sqlite",),
        "tests/contract/test_login.py"
        "::test_tokens_of_releases_before_0009_work_until_they_expire[in-process-{}-200]",
        "401",
    ),
    Mutant(
        "another account's session that can be ended",
        [
            Edit(
                STORE,
                "(UserSession.id == session_id, *_valid(user_id))",
                "(UserSession.id == session_id,)",
            )
        ],
        ("sqlite",),
        "tests/contract/test_sessions.py::test_another_accounts_session_is_not_found[in-process]",
        "JSONDecodeError",
    ),
    Mutant(
        "introspection for everybody",
        [Edit("app/auth/introspection.py", "Depends(service), ", "")],
        ("sqlite",),
        "tests/contract/test_services.py"
        "::test_introspection_needs_the_service_token[in-process-sent0]",
        "200",
    ),
    Mutant(
        "a session whose use is never noted",
        [Edit(LAST_SEEN, "await _note(", "(")],
        ("sqlite",),
        f"{SEEN}::test_a_request_after_five_minutes_is_noted[/auth/jwt/login]",
        "assert",
    ),
    Mutant(
        "a log-out that renews the cookie",
        [Edit(LAST_SEEN, ' or any(name == b"set-cookie" for name, _ in headers)', "")],
        ("sqlite",),
        f"{SEEN}::test_the_cookie_is_renewed_with_it",
        "assert",
    ),
    Mutant(
        "a cookie of any host of the site",
        [Edit("app/auth/cookie.py", 'name.strip(" \\t"): value', "name.strip(): value")],
        ("sqlite",),
        "tests/auth/test_cookie_name.py::test_a_name_with_another_byte_is_another_name",
        "assert",
    ),
    Mutant(
        "a WebSocket that any page opens through a proxy",
        [
            Edit(
                "app/auth/forward.py", 'if "Sec-WebSocket-Version" in request.headers:', "if False:"
            )
        ],
        ("sqlite",),
        "tests/auth/test_forwarded_methods.py::test_a_page_of_another_origin_opens_no_websocket",
        "assert",
    ),
    Mutant(
        "notes of use that take every connection",
        [Edit(LAST_SEEN, "not in self._noting and len(self._noting) < at_once", "is not None")],
        ("postgres",),
        f"{SEEN}::test_locked_sessions_do_not_take_the_connections_of_other_requests",
        "assert|Timeout|ReadTimeout",
    ),
    Mutant(
        "a lost answer that is taken for theft",
        [
            Edit(
                REFRESH,
                "    if counter != session.refresh_counter - 1 or",
                "    if counter >= 0 or",
            )
        ],
        ("sqlite",),
        "tests/test_crash.py::test_kill_9_between_commit_and_answer_signs_nobody_out",
        "REFRESH_TOKEN_REUSED",
    ),
]
