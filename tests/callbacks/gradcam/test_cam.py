"""`grad_cam` accepts any batch, refuses invalid arguments, and changes nothing of the model or the random states."""

import gc
import resource

import numpy as np
import pytest
import torch
from torch import nn

from callbacks.gradcam.maps import grad_cam
from callbacks.gradcam.methods import METHODS
from learners.models.resnet18 import ResNet18


def state_of(net: nn.Module) -> dict:
    """All state that a call could change."""
    return {
        "weights": {k: v.clone() for k, v in net.state_dict().items()},
        "gradients": {n: None if p.grad is None else p.grad.clone() for n, p in net.named_parameters()},
        "trainable": {n: p.requires_grad for n, p in net.named_parameters()},
        "parameters": {n: id(p) for n, p in net.named_parameters()},
        "modes": {n: m.training for n, m in net.named_modules()},
        "hooks": {n: (len(m._forward_hooks), len(m._backward_hooks)) for n, m in net.named_modules()},
        "random": torch.get_rng_state(),
        "recording": torch.is_grad_enabled(),
    }


def assert_same(before: object, after: object) -> None:
    if isinstance(before, dict):
        assert before.keys() == after.keys()
        for key in before:
            assert_same(before[key], after[key])
    elif isinstance(before, torch.Tensor):
        assert torch.equal(before, after)
    else:
        assert before == after


class Drawing(nn.Module):
    """A small model with mixed training modes that draws random numbers and can fail after its maps."""

    def __init__(self, error: type[BaseException] | None = None):
        super().__init__()
        self.conv, self.drop, self.fc = nn.Conv2d(3, 4, 3), nn.Dropout(), nn.Linear(4, 5)
        self.error = error

    def forward(self, x):
        x = self.conv(x)
        x = self.drop(x.relu_() + 0.01 * torch.rand(()))
        if self.error:
            raise self.error("stop")
        return self.fc(x.mean((2, 3)))


def drawing_net(error=None) -> Drawing:
    net = Drawing(error)
    net.train()
    net.conv.eval()
    net.fc.weight.requires_grad_(False)
    net.conv.weight.grad = torch.ones_like(net.conv.weight)
    net.conv.register_forward_hook(lambda *args: None)
    return net


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("layer", [None, "conv"])
@pytest.mark.parametrize("method", METHODS)
def test_leaves_everything_as_it_was(images, error, layer, method):
    net = drawing_net(error)
    before = state_of(net)
    if error:
        with pytest.raises(error):
            grad_cam(net, images, layer=layer, method=method)
    else:
        assert grad_cam(net, images, layer=layer, method=method).shape == (4, 32, 32)
    assert_same(before, state_of(net))


def test_bad_class_leaves_everything_as_it_was(images):
    net = drawing_net()
    before = state_of(net)
    with pytest.raises(ValueError, match="0 to 4"):
        grad_cam(net, images, [0, 1, 2, 5])
    assert_same(before, state_of(net))


def test_thousand_calls_keep_memory_and_state():
    net, xb = drawing_net(), torch.randn(4, 3, 16, 16)
    before = state_of(net)
    for _ in range(200):
        grad_cam(net, xb)
    gc.collect()
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(1000):
        grad_cam(net, xb)
    gc.collect()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start  # KiB on Linux
    assert grown < 5 * 1024
    assert_same(before, state_of(net))


@pytest.mark.parametrize("size", [(8, 8), (32, 32), (65, 48), (224, 224)])
@pytest.mark.parametrize("channels", [1, 3])
def test_sizes_and_channels(size, channels):
    torch.manual_seed(0)
    cams = grad_cam(ResNet18(2, channels), torch.randn(1, channels, *size))
    assert cams.shape == (1, *size)
    assert torch.isfinite(cams).all()


@pytest.mark.parametrize("n_classes", [2, 100])
@pytest.mark.parametrize("batch", [1, 3])
def test_classes_and_batches(n_classes, batch):
    torch.manual_seed(0)
    net, xb = ResNet18(n_classes), torch.randn(batch, 3, 16, 16)
    whole = grad_cam(net, xb, [n_classes - 1] * batch, "layer2")
    alone = torch.cat([grad_cam(net, xb[i : i + 1], [n_classes - 1], "layer2") for i in range(batch)])
    torch.testing.assert_close(whole, alone, rtol=1e-4, atol=1e-5)


def test_default_target_is_the_predicted_class(resnet, images):
    predicted = resnet(images).argmax(1)
    expected = grad_cam(resnet, images, predicted)
    torch.testing.assert_close(grad_cam(resnet, images), expected)
    torch.testing.assert_close(grad_cam(resnet, images, predicted.tolist()), expected)
    torch.testing.assert_close(grad_cam(resnet, images, np.asarray(predicted)), expected)
    assert not torch.allclose(grad_cam(resnet, images, (predicted + 1) % 10), expected)


def test_works_without_gradients_and_in_inference_mode(resnet, images):
    expected = grad_cam(resnet, images, layer="layer3")
    with torch.no_grad():
        torch.testing.assert_close(grad_cam(resnet, images, layer="layer3"), expected)
        assert not torch.is_grad_enabled()
    with torch.inference_mode():
        torch.testing.assert_close(grad_cam(resnet, images * 1, layer="layer3"), expected)


def test_autocast_gives_wide_maps_and_leaves_training_alone(resnet, images):
    expected = grad_cam(resnet, images, layer="layer3", method="layercam")
    with torch.autocast("cpu", torch.bfloat16):
        cams = grad_cam(resnet, images, layer="layer3", method="layercam")
        loss = resnet(images).sum()  # weights cast for the maps are not those of the training step
    assert cams.dtype == torch.float32
    assert (cams - expected).abs().max() < 0.1 * expected.max()
    (gradient,) = torch.autograd.grad(loss, resnet.conv1.weight)
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize("in_place", [True, False])
def test_compiled_models_give_the_same_maps(images, in_place):
    torch.manual_seed(0)
    net = ResNet18().eval()
    layers = ("layer3", "layer2", "layer4")
    expected = [grad_cam(net, images, layer=layer) for layer in layers]
    compiled = torch.compile(net, backend="eager")
    if in_place:
        net.compile(backend="eager")
        compiled = net
    compiled(images)  # traced before the hooks are there
    for layer, cams in zip(layers, expected, strict=True):
        torch.testing.assert_close(grad_cam(compiled, images, layer=layer), cams)
    traced = torch._dynamo.utils.counters["frames"]["total"]
    grad_cam(compiled, images)
    assert torch._dynamo.utils.counters["frames"]["total"] == traced  # nothing was compiled for the maps


def test_data_parallel_models_have_plain_names(resnet, images):
    wrapped = nn.DataParallel(resnet)
    torch.testing.assert_close(grad_cam(wrapped, images, layer="layer4"), grad_cam(resnet, images, layer="layer4"))


def test_before_an_in_place_operation(images):
    """The next layer overwrites its input; the heatmap uses the values before that."""
    torch.manual_seed(0)
    nets = [
        nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(inplace=b), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
        for b in (True, False)
    ]
    nets[1].load_state_dict(nets[0].state_dict())
    torch.testing.assert_close(*[grad_cam(net, images, [1] * 4, "0", "layercam") for net in nets])


def test_a_dead_map_is_empty(images):
    """A heatmap without evidence is zero and not rescaled."""
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))
    net[4].weight.data.abs_().neg_()
    assert grad_cam(net, images).abs().max() == 0


@pytest.mark.parametrize(("side", "layer"), [(64, "layer4"), (32, "layer4"), (16, "layer3"), (8, "layer2")])
def test_the_default_layer_has_at_least_four_by_four_places(resnet, side, layer):
    xb = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(grad_cam(resnet, xb), grad_cam(resnet, xb, layer=layer))


def test_default_layer_of_a_foreign_model_is_its_last_with_several_places(images):
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Conv2d(4, 6, 3, 2), nn.ReLU()),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    )
    torch.testing.assert_close(grad_cam(net, images), grad_cam(net, images, layer="0.3"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"layer": "layer9"}, "'layer9'.*layer1.*layer4"),
        ({"layer": "layer4.1.con2"}, "layer4.1.conv2"),
        ({"layer": ""}, "no such module"),
        ({"layer": []}, "no name"),
        ({"layer": "fc"}, r"'fc' returns 4×10"),
        ({"method": "cam"}, "choose from .*gradcam"),
        ({"targets": [0, 1, 2, 10]}, "target 10: .*0 to 9"),
        ({"targets": [0, 1, 2, -1]}, "target -1: .*0 to 9"),
        ({"targets": [0]}, "one class for each of 4 images"),
        ({"targets": 3}, "one class for each of 4 images"),
        ({"targets": [0.0, 1.0, 2.0, 3.0]}, "0 to 9"),
        ({"xb": torch.zeros(3, 32, 32)}, "B×C×H×W"),
    ],
)
def test_bad_input_names_the_choices(resnet, images, arguments, message):
    with pytest.raises(ValueError, match=message):
        grad_cam(**{"model": resnet, "xb": images, **arguments})


def test_layers_off_the_way_to_the_logits_are_named(images):
    class Aside(Drawing):
        def __init__(self):
            super().__init__()
            self.aside, self.unused = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            self.aside(x)
            return super().forward(x)

    with pytest.raises(ValueError, match="'aside': the logits do not depend"):
        grad_cam(Aside(), images, layer=["aside", "conv"])
    with pytest.raises(ValueError, match="'aside': the logits do not depend"):
        grad_cam(Aside(), images, layer="aside")
    with pytest.raises(ValueError, match="'unused': the model does not call it"):
        grad_cam(Aside(), images, layer="unused")


def test_a_model_without_maps_or_logits_is_named(images):
    with pytest.raises(ValueError, match="no layer with maps"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(3072, 2)), images)
    with pytest.raises(ValueError, match="heatmaps need logits"):
        grad_cam(nn.Sequential(nn.Conv2d(3, 4, 3)), images)
