"""What the tabs below the picture share: tables without holes, and the matrix of what stands in the picture."""

import numpy as np

from engine.segmentation.scoring import score
from pages.kit import charts
from pages.kit.panels import filled


def test_a_row_that_lacks_a_column_says_nothing_there():
    rows = filled([{"": "a", "here, x": "1"}, {"": "b", "paper, x": "2", "here, x": "3"}])
    assert rows == [{"": "a", "paper, x": "", "here, x": "1"}, {"": "b", "paper, x": "2", "here, x": "3"}]
    assert list(rows[0]) == ["", "paper, x", "here, x"]


def test_the_matrix_is_that_of_the_variant_in_the_picture():
    truth = np.array([[0, 1]], np.uint8)
    result = score(truth, {"first": truth, "second": 1 - truth, "third": truth}, 2)
    second = charts.confusion(result, ("a", "b"), "second")
    assert second.data[0].z.tolist() == [[0, 100], [100, 0]]
    assert second.layout.title.text.startswith("second")
    assert charts.confusion(result, ("a", "b")).layout.title.text.startswith("third")
