"""Defects of what an operator gives and rotates: secrets in files, several keys."""

from tests.mutants.planted import Edit, Mutant

FILES = "tests/settings/test_files.py"
ROTATION = "tests/auth/test_rotation.py::test_a_rotation_in_three_steps_ends_nothing"

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
        [Edit("app/crypto/access_tokens.py", "for key in keys}", "for key in keys[:1]}")],
        ("sqlite",),
        ROTATION,
        "401",
    ),
    Mutant(
        "a mailed link of the former key that is refused",
        [Edit("app/crypto/tokens.py", "for key in keys)", "for key in keys[:1])")],
        ("sqlite",),
        ROTATION,
        "400",
    ),
]
