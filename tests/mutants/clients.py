"""Defects that refuse clients and people who follow a standard."""

from tests.mutants.planted import Edit, Mutant

PASSWORDS = "app/crypto/passwords.py"
SPELLINGS = "tests/crypto/test_spellings.py"
MANAGER = "app/users/manager.py"
LINKS = "tests/pages/test_links.py"
TRANSPORTS = "app/mail/transports.py"
RELAYS = "tests/mail/test_relays.py"
TYPES = "tests/http/test_content_types.py"

MUTANTS = [
    Mutant(
        "a password as it was typed",
        [Edit(PASSWORDS, 'unicodedata.normalize("NFC", password)', "password")],
        ("sqlite",),
        f"{SPELLINGS}::test_every_spelling_logs_in",
        "assert",
    ),
    Mutant(
        "a password in another form that makes a hash weaker",
        [Edit(PASSWORDS, "self._replace(stored, normal)", "self.helper.hash(normal)")],
        ("sqlite",),
        f"{SPELLINGS}::test_a_hash_of_the_text_as_it_was_typed_is_replaced_at_login",
        "assert",
    ),
    Mutant(
        "a decoy in one form",
        [
            Edit(
                PASSWORDS,
                "if matches or normal == password:",
                "if matches or normal == password or stored is self._decoy:",
            )
        ],
        ("sqlite",),
        f"{SPELLINGS}::test_an_unknown_account_costs_as_many_hashes_in_every_spelling",
        "assert",
    ),
    Mutant(
        "a token with the line breaks of its mail",
        [Edit("app/crypto/tokens.py", '_FOLDS.sub("", token) if', "token.strip() if")],
        ("sqlite",),
        f"{LINKS}::test_a_pasted_token_resets_a_password",
        "assert",
    ),
    Mutant(
        "a reset that leaves its address unverified",
        [
            Edit(
                MANAGER,
                '"hashed_password": hashed, "is_verified": True',
                '"hashed_password": hashed',
            )
        ],
        ("sqlite",),
        f"{LINKS}::test_a_reset_verifies_the_address_that_its_mail_was_sent_to",
        "assert",
    ),
    Mutant(
        "a second click that is refused",
        [
            Edit(
                MANAGER,
                "        return matches\n\n    def _resettable",
                "        return False\n\n    def _resettable",
            )
        ],
        ("sqlite",),
        f"{LINKS}::test_a_reset_that_is_submitted_again_has_succeeded",
        "assert",
    ),
    Mutant(
        "a used token that any password satisfies",
        [
            Edit(
                MANAGER,
                "        return matches\n\n    def _resettable",
                "        return True\n\n    def _resettable",
            )
        ],
        ("sqlite",),
        f"{LINKS}::test_a_used_token_does_nothing",
        "assert",
    ),
    Mutant(
        "a bad link that asks for a password",
        [
            Edit(
                "app/pages/routes.py",
                "        await manager.check_reset_token(token)\n",
                "        pass\n",
            )
        ],
        ("sqlite",),
        f"{LINKS}::test_a_link_that_cannot_work_says_so_before_a_password_is_typed",
        "assert",
    ),
    Mutant(
        "a mail server that is greeted by the host's own idea of its name",
        [Edit(TRANSPORTS, "            local_hostname=greeting,\n", "")],
        ("sqlite",),
        f"{RELAYS}::test_a_mail_server_is_greeted_by_name",
        "assert",
    ),
    Mutant(
        "a relay that needs a known certificate for no password",
        [Edit(TRANSPORTS, "verified or is_smtps or password is not None", "True")],
        ("sqlite",),
        f"{RELAYS}::test_a_relay_without_a_password_may_have_any_certificate",
        "assert",
    ),
    Mutant(
        "a password for any certificate",
        [Edit(TRANSPORTS, "verified or is_smtps or password is not None", "verified or is_smtps")],
        ("sqlite",),
        "tests/mail/test_encryption.py::test_an_untrusted_certificate_is_refused[smtp]",
        "DID NOT RAISE|assert",
    ),
    Mutant(
        "TLS that is needed, and left out when it fails",
        [Edit(TRANSPORTS, "not (encrypt or is_smtps or parts.username)", "not is_smtps")],
        ("sqlite",),
        f"{RELAYS}::test_tls_that_is_needed_is_not_left_out",
        "assert",
    ),
    Mutant(
        "a tick whose body curl has labelled",
        [Edit("app/http/body_limit.py", "if is_mislabelled(kind, body):", "if False:")],
        ("sqlite",),
        f"{TYPES}::test_a_tick_by_curl_is_read_as_json",
        "assert",
    ),
    Mutant(
        "a login in JSON that lacks fields",
        [Edit("app/auth/login_form.py", ", Depends(require_form)],", "],")],
        ("sqlite",),
        f"{TYPES}::test_a_login_in_json_is_told_the_type_to_send",
        "assert",
    ),
    Mutant(
        "flags that are offered and ignored",
        [
            Edit(
                "app/users/schemas.py",
                "class UserRegister(CreateUpdateDictModel)",
                "class UserRegister(BaseUserCreate)",
            )
        ],
        ("sqlite",),
        "tests/contract/test_openapi.py::test_a_body_offers_the_fields_that_are_taken[in-process]",
        "assert",
    ),
]
