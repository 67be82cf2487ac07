"""Describe a learner in a few lines: net, images, plan, and the metrics of the last fit of the recipe."""

from typing import TYPE_CHECKING

from learners.training.session import session_cbs

if TYPE_CHECKING:
    from learners.learner import ImageLearner


def learner_text(learn: "ImageLearner") -> str:
    """Return one line per part of a learner; this neither computes metrics nor reads images."""
    plan = learn.plan
    trained = sum(param.numel() for param in learn.model.parameters() if param.requires_grad)
    steps = f"{len(learn.dls.train)} steps of {plan.batch_size} images, {plan.size} pixels wide"
    rate = f"{plan.optimizer}, at most {plan.lr:.3g} in epoch {plan.peak_epoch:.3g}"
    lines = {
        "net": f"{type(learn.model).__name__}, {trained:,} parameters that are trained, on {learn.dls.device}",
        "data": f"{getattr(learn.dls, 'source', plan.data)}",
        "plan": f"{plan.epochs} epochs of {steps}; {rate}",
        "callbacks": ", ".join(type(cb).__name__ for cb in session_cbs(learn)),
        "run": str(learn.run_dir.path) if learn.run_dir else "",
        "fitted": _fitted(learn),
    }
    return "\n".join([type(learn).__name__, *(f"  {name:<9}  {text}" for name, text in lines.items() if text)])


def _fitted(learn: "ImageLearner") -> str:
    """Return the metrics of the last complete `fit_recipe`."""
    if learn.fitted is None:
        return "not yet by fit_recipe"
    last = learn.fitted.epochs[-1]
    metrics = {**last.metrics, "valid_loss": last.valid_loss} | learn.fitted.final
    texts = [f"{name} {value:.4f}" for name, value in metrics.items() if value is not None]
    return ", ".join([f"{len(learn.fitted.epochs)} epochs", *texts])
