"""Defects that refuse clients and people who follow a standard."""

from tests.mutants.planted import Edit, Mutant

PASSWORDS = "app/crypto/passwords.py"
SPELLINGS = "tests/crypto/test_spellings.py"

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
]
