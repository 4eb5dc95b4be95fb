"""The mutants themselves: a change of the code must change the defects planted in it."""

import pytest

from tests.mutants.__main__ import MUTANTS, ROOT
from tests.mutants.planted import Mutant


@pytest.mark.only("sqlite")
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])
def test_each_edit_finds_its_text(mutant: Mutant) -> None:
    texts: dict[str, str | None] = {}
    for path, old, new in mutant.edits:
        file = ROOT / path
        text = texts.setdefault(path, file.read_text() if file.exists() else None)
        assert old in (text or ""), f"{path} has no {old!r}"
        assert (text is None) == (old == "")
        texts[path] = text.replace(old, new) if text and new is not None else new
    test = ROOT / mutant.test.partition("::")[0]
    assert mutant.test.partition("::")[2].partition("[")[0] in test.read_text()
