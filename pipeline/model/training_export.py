"""Export a training as a bundle stores it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.model import export
from pipeline.model.bundle import ONNX, REFITS, RefitFacts, TrainingFacts
from pipeline.model.refit_graph import export_refits

if TYPE_CHECKING:
    from pipeline.model.training import TrainingResult
    from pipeline.settings import Settings


@dataclass(frozen=True)
class ExportedTraining:
    """The files of a bundle, and what its manifest says about them.

    Attributes:
        files: Bytes by file name.
        refits: Facts about the refits; None if their graph is too large.
        facts: Facts about the training rows.
        onnx_difference: Largest difference in probability between the model and its graph.
    """

    files: dict[str, bytes]
    refits: RefitFacts | None
    facts: TrainingFacts
    onnx_difference: float


def export_training(result: TrainingResult, settings: Settings) -> ExportedTraining:
    """Export the final model and the refits of a training.

    Args:
        result: The training.
        settings: The seed of the rows on which model and graph are compared, and the largest size
            of the refits.
    """
    final, data = result.final, result.data
    files = export.export_files(final.model)
    difference = export.max_onnx_difference(final.model, files[ONNX], data.rows, settings.seed)
    refits = None
    if exported := export_refits(result.refits, settings.train.max_refits_mib << 20):
        files[REFITS], refits = exported
    precision = result.cross_validation["precision"].value
    facts = export.describe_training(data, precision, final.predict(data.rows))
    return ExportedTraining(files, refits, facts, difference)
