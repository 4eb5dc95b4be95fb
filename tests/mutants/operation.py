"""Defects of what an operator gives and rotates: secrets in files, several keys."""

from tests.mutants.planted import Edit, Mutant

FILES = "tests/settings/test_files.py"
ROTATION = (
    "tests/auth/test_rotation.py::test_a_host_knows_what_hosts_of_the_steps_beside_it_issue[0]"
)
KEPT = "tests/crypto/test_keys.py::test_credentials_of_an_earlier_release_stay_valid"
CUT_SHORT = (
    "tests/settings/test_private_keys.py"
    "::test_another_text_is_refused_with_a_remedy_and_not_shown[a good one and half of one]"
)

MUTANTS = [
    Mutant(
        "a setting that is given in a file and in a variable",
        [Edit("app/settings/files.py", "if twice := [", "if False and [")],
        ("sqlite",),
        f"{FILES}::test_a_setting_that_is_given_twice_is_refused_naming_both",
        "DID NOT RAISE|twice",
    ),
    Mutant(
        "a secret's file that is cut",
        [Edit("app/settings/files.py", "file.read(MAX_BYTES + 1)", "file.read(MAX_BYTES)")],
        ("sqlite",),
        f"{FILES}::test_a_file_without_a_text_is_refused_by_name",
        "DID NOT RAISE",
    ),
    Mutant(
        "a token of the former key that is refused",
        [
            Edit(
                "app/crypto/access_tokens.py",
                "jwt.PyJWK(key.jwk) for key in keys}",
                "jwt.PyJWK(key.jwk) for key in keys[:1]}",
            )
        ],
        ("sqlite",),
        ROTATION,
        "'access'",
    ),
    Mutant(
        "a mailed link of the former key that is refused",
        [Edit("app/crypto/tokens.py", "for key in keys)", "for key in keys[:1])")],
        ("sqlite",),
        ROTATION,
        "'(verify|reset)'",
    ),
    Mutant(
        "another derivation of keys",
        [Edit("app/crypto/keys.py", 'f"keystead {purpose}"', 'f"keystead: {purpose}"')],
        ("sqlite",),
        KEPT,
        "967da01120bd",
    ),
    Mutant(
        "a signing key that is cut short and left out",
        [Edit("app/settings/private_keys.py", "len(blocks) < pem.count(_BEGIN)", "not blocks")],
        ("sqlite",),
        CUT_SHORT,
        "SIGNING_KEY │ signs",
    ),
]
