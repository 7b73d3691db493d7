"""The drawing of a network."""

import xml.etree.ElementTree as ET

import pytest

from quire_models import StackedAutoencoder, diagram


def test_a_drawing_names_layers_sizes_and_noise() -> None:
    stack = StackedAutoencoder(shape=(28, 28), random_state=0)
    stack.grow((10, 10), noise=0.1, dropout=0.05)
    stack.grow((5, 5))
    drawn = diagram(stack)
    texts = [element.text for element in ET.fromstring(drawn.svg).iter() if element.text]
    assert [text for text in texts if text[0].isdigit() and "x" in text] == [
        "28x28",
        "10x10",
        "5x5",
        "10x10",
        "28x28",
    ]
    assert "784 units" in texts
    assert texts.count("noise 0.1") == 2  # by default the second pair has as much
    assert texts.count("dropout 0.05") == 1
    assert [text for text in texts if text[0] == "W"] == ["W1", "W2", "W2ᵀ", "W1ᵀ"]
    assert drawn.alt == "The network: 28x28 to 10x10 to 5x5 to 10x10 to 28x28."
    stack.untie()
    assert diagram(stack).svg.count("own weights") == 2


def test_nothing_to_draw() -> None:
    with pytest.raises(ValueError, match="nothing to draw"):
        diagram(StackedAutoencoder(shape=(8, 8)))
