"""Each method equals plain loops in float64, the closed form, and pytorch-grad-cam."""

import copy

import pytest
import torch
from pytorch_grad_cam import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torch.nn import functional as F

from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS, register
from callbacks.gradcam.methods.gradcam_plus_plus import gradcam_plus_plus
from learners.models.resnet18 import ResNet18

FAMILY = ("gradcam", "gradcam++", "hirescam", "layercam", "fusion")


def upper_part(net: ResNet18, layer: str, a: Tensor) -> Tensor:
    """Logits computed from the maps of a stage, layer by layer."""
    stages = ["layer1", "layer2", "layer3", "layer4"]
    for name in stages[stages.index(layer) + 1 :]:
        a = getattr(net, name)(a)
    return net.fc(a.mean((2, 3)))


def lower_part(net: ResNet18, layer: str, x: Tensor) -> Tensor:
    a = F.relu(net.bn1(net.conv1(x)))
    for name in ["layer1", "layer2", "layer3", "layer4"]:
        a = getattr(net, name)(a)
        if name == layer:
            return a
    raise AssertionError(layer)


def shown_classes(net: ResNet18, xb: Tensor, layer: str, method: str) -> list[int]:
    """For each image the class with the most evidence, because a comparison of zeros would prove nothing."""
    return (
        torch.stack([grad_cam(net, xb, [c] * len(xb), layer, method).sum((1, 2)) for c in range(10)]).argmax(0).tolist()
    )


def plain_map(a: Tensor, g: Tensor, method: str) -> Tensor:
    """The map h×w of one image by the published formula, one channel at a time, in logits.

    The activations and gradients are K×h×w.
    """
    k, h, w = a.shape
    total = torch.zeros(h, w, dtype=torch.float64)
    for c in range(k):
        if method == "gradcam":
            total += g[c].mean() * a[c] * (h * w)
        elif method == "gradcam++":
            weight = 0.0
            for d in g[c].flatten().tolist():
                if d > 0:
                    weight += d**2 / (2 * d**2 + a[c].sum().item() * d**3) * d
            total += weight * a[c]
        elif method == "hirescam":
            total += g[c] * a[c] * (h * w)
        else:
            total += g[c].clamp(min=0) * a[c] * (h * w)
    return total.clamp(min=0)


@pytest.mark.parametrize("layer", ["layer2", "layer3", "layer4"])
@pytest.mark.parametrize("method", FAMILY)
def test_equals_plain_reference_in_float64(resnet, images, layer, method):
    net, xb = copy.deepcopy(resnet).double(), images[:2].double()
    targets = shown_classes(net, xb, layer, method)
    a = lower_part(net, layer, xb).detach().requires_grad_()
    logits = upper_part(net, layer, a)
    (g,) = torch.autograd.grad(logits[0, targets[0]] + logits[1, targets[1]], a)
    small = torch.stack([plain_map(a[i].detach(), g[i], method) for i in range(2)])
    expected = F.interpolate(small[:, None], size=(32, 32), mode="bilinear", align_corners=False)[:, 0]
    cams = grad_cam(net, xb, targets, layer, method)
    assert cams.dtype == torch.float64
    assert expected.amax((1, 2)).min() > 0  # the comparison is not one of zeros
    torch.testing.assert_close(cams, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("method", ["gradcam", "hirescam"])
def test_last_convolution_equals_closed_form(resnet, images, method):
    features = lower_part(resnet, "layer4", images)  # B×512×4×4
    targets = resnet(images).argmax(1)
    closed = torch.einsum("bk,bkhw->bhw", resnet.fc.weight[targets], features).clamp(min=0).detach()
    expected = F.interpolate(closed[:, None], size=(32, 32), mode="bilinear")[:, 0]
    cams = grad_cam(resnet, images, layer="layer4", method=method)
    assert ((cams - expected).abs().max() / expected.abs().max()) < 1e-5


def test_mean_of_a_map_is_the_evidence_in_logits(images):
    """If all weights are positive, nothing is clamped at 0, and the mean of a map is the logit minus its bias."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    net[4].weight.data.abs_()
    cams = grad_cam(net, images[:, :, :30, :30], [1] * 4, layer="1")
    with torch.no_grad():
        logits, small = net(images[:, :, :30, :30])[:, 1], F.relu(net[0](images[:, :, :30, :30]))
    places = torch.einsum("k,bkhw->bhw", net[4].weight[1], small).mean((1, 2)).detach()
    torch.testing.assert_close(places, logits - net[4].bias[1].detach(), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(cams.mean((1, 2)), places, rtol=0.03, atol=0.0)  # resized from 28×28 to 30×30


def test_several_layers_are_averaged(resnet, images):
    parts = [grad_cam(resnet, images, [1, 2, 3, 4], n, "layercam") for n in ("layer2", "layer3", "layer4")]
    fused = grad_cam(resnet, images, [1, 2, 3, 4], ["layer4", "layer2", "layer3"], "layercam")
    torch.testing.assert_close(fused, sum(parts) / 3)
    torch.testing.assert_close(grad_cam(resnet, images, [1, 2, 3, 4], method="fusion"), fused)


def test_gradcam_plus_plus_stays_exact_where_gradients_are_tiny(resnet, images):
    """A small term added to the denominator, as in other implementations, would change the weights here."""
    a, g = torch.rand(1, 3, 2, 2, dtype=torch.float64), torch.full((1, 3, 2, 2), 1e-9, dtype=torch.float64)
    expected = torch.einsum("bk,bkhw->bhw", (g / 2).sum((2, 3)), a)
    torch.testing.assert_close(gradcam_plus_plus(a, g), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("layer", ["layer3", "layer4"])
@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "hirescam", "layercam"])
def test_equals_pytorch_grad_cam(resnet, images, layer, method):
    cls = {"gradcam": GradCAM, "gradcam++": GradCAMPlusPlus, "hirescam": HiResCAM, "layercam": LayerCAM}[method]
    net = copy.deepcopy(resnet).double()
    net.fc.weight.data *= 1e3  # pytorch-grad-cam adds 1e-6 to squared gradients: this makes the term negligible
    targets = shown_classes(net, images.double(), layer, method)
    with cls(model=net, target_layers=[getattr(net, layer)]) as cam:
        theirs = torch.from_numpy(
            cam(input_tensor=images.double(), targets=[ClassifierOutputTarget(t) for t in targets])
        )
    ours = grad_cam(net, images.double(), targets, layer, method)
    low, high = ours.amin((1, 2), keepdim=True), ours.amax((1, 2), keepdim=True)
    torch.testing.assert_close(((ours - low) / (high - low)).float(), theirs.float(), rtol=1e-4, atol=1e-4)


def test_a_new_method_is_one_registered_function(resnet, images, monkeypatch):
    monkeypatch.setitem(METHODS, "inverse", None)  # so that it is gone after the test
    register("inverse")(lambda question: -question.xb.mean(1))
    torch.testing.assert_close(grad_cam(resnet, images, method="inverse"), -images.mean(1))
    with pytest.raises(ValueError, match=r"choose from .*extremal"):
        grad_cam(resnet, images, method="nothing")
