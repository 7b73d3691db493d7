"""What the page on the models says, runs."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import quire_models

PAGE = Path(__file__).parents[2] / "docs/models.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=["whole", "steps", "files"])
def test_an_example_runs(example: str) -> None:
    names: dict[str, Any] = {}
    exec(compile(example, str(PAGE), "exec"), names)
    if "accuracy" in names:
        assert names["accuracy"] > 0.9
        assert names["error"] < 0.03
    if "units" in names:
        assert names["units"].shape == (16, 8, 8)
    if "losses" in names:
        assert np.isfinite(names["losses"]).all()
        assert len(names["losses"]) == 44


def test_the_page_names_what_there_is() -> None:
    text = PAGE.read_text()
    wanted = {"Adam", "SGD", "LBFGS", "L1", "KL", "TopK", "Filters", "Convolution", "Deconvolution", "Dense"}
    assert [name for name in wanted if f"`{name}" not in text or not hasattr(quire_models, name)] == []
    for name in quire_models.initialisers.INITIALISERS:
        assert f"`{name}`" in text
