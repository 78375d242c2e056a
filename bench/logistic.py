"""Logistic regression with a ridge, fitted by Newton's method, and the figures that say how good a score is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]
Matrix = NDArray[np.float64]


def fit(features: Matrix, labels: Vector, ridge: float) -> Vector:
    """Return [bias, weights...] for `features` (n x d) and `labels` in [0, 1].

    The ridge holds for standardised features: each weight is penalised by its feature's variance (Hoerl 1970). A
    feature that never varies gets weight 0.
    """
    mean, spread = features.mean(0), features.std(0)
    varies = spread > 1e-9
    scaled = np.c_[np.ones(len(features)), (features[:, varies] - mean[varies]) / spread[varies]]
    found = newton(scaled, labels, np.r_[1e-6, np.full(int(varies.sum()), ridge)])
    weights = np.zeros(features.shape[1])
    weights[varies] = found[1:] / spread[varies]
    whole: Vector = np.r_[found[0] - float(weights @ mean), weights]
    return whole


def newton(design: Matrix, labels: Vector, penalties: Vector) -> Vector:
    """Minimise the penalised cross-entropy; `design` has its own column of ones."""
    weights = np.zeros(design.shape[1])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-design @ weights))
        gradient = design.T @ (likely - labels) + penalties * weights
        curvature = (design * (likely * (1 - likely))[:, None]).T @ design + np.diag(penalties)
        step = np.linalg.solve(curvature, gradient)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    return weights


def log_odds(features: Matrix, weights: Vector) -> Vector:
    """Return the scores of a fit."""
    scores: Vector = weights[0] + features @ weights[1:]
    return scores


class Calibrated(NamedTuple):
    """A fit whose probabilities can be taken at their word."""

    weights: Vector
    held_out: Vector
    """Each row's log-odds by a fit that has not seen its group."""


def calibrated(features: Matrix, labels: Vector, groups: NDArray[np.int64], ridge: float) -> Calibrated:
    """Fit, then correct slope and bias on the scores of groups that were left out (Platt 1999).

    A ridge makes scores too timid; a fit judged on its own data makes them too bold.
    """
    weights, held_out = fit(features, labels, ridge), left_out(features, labels, groups, ridge)
    bias, slope = newton(np.c_[np.ones(len(labels)), held_out], labels, np.full(2, 1e-6))
    return Calibrated(np.r_[bias + slope * weights[0], slope * weights[1:]], bias + slope * held_out)


def left_out(features: Matrix, labels: Vector, groups: NDArray[np.int64], ridge: float) -> Vector:
    """Return each row's score by a fit that has not seen its group."""
    scores = np.zeros(len(labels))
    for group in np.unique(groups):
        inside = groups == group
        scores[inside] = log_odds(features[inside], fit(features[~inside], labels[~inside], ridge))
    return scores


def auc(labels: NDArray[np.bool_], scores: Vector) -> float:
    """Return the area under the ROC curve: how often a positive scores above a negative, ties counting half."""
    _, where, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[where]
    positives = int(labels.sum())
    negatives = len(labels) - positives
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * negatives))
