"""ResNet18 for small images."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from learners.models import model


def conv3x3(n_in: int, n_out: int, stride: int = 1) -> nn.Conv2d:
    """Return a 3×3 convolution with padding and without a bias."""
    return nn.Conv2d(n_in, n_out, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    """A residual block: two 3×3 convolutions, and a shortcut that is a 1×1 convolution if the shape changes.

    Args:
        n_in: input channels.
        n_out: output channels.
        stride: stride of the first convolution; 2 halves height and width.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(n_in, n_out, stride), nn.BatchNorm2d(n_out)
        self.conv2, self.bn2 = conv3x3(n_out, n_out), nn.BatchNorm2d(n_out)
        self.shortcut = nn.Sequential()
        if stride != 1 or n_in != n_out:
            self.shortcut = nn.Sequential(nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out))

    def forward(self, x: Tensor) -> Tensor:
        """Return the output, N×n_out×H/stride×W/stride, of an input N×n_in×H×W."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class ResNet(nn.Module):
    """A residual net for small images: a 3×3 stem without max-pooling, four stages of basic blocks, one linear layer.

    Args:
        blocks: number of blocks of each of the four stages.
        n_classes: number of classes.
        in_channels: number of channels of the images: 3 for RGB, 1 for grey.
        width: channels of the stem and of the first stage; every later stage has twice as many as the one before.

    Source: He et al. 2016 (https://arxiv.org/abs/1512.03385), in the small-image form of kuangliu/pytorch-cifar.
    """

    def __init__(self, blocks: tuple[int, int, int, int], n_classes: int, in_channels: int, width: int) -> None:
        super().__init__()
        n1, n2, n3, n4 = width, 2 * width, 4 * width, 8 * width
        self.conv1, self.bn1 = conv3x3(in_channels, n1), nn.BatchNorm2d(n1)
        self.layer1 = stage(blocks[0], n1, n1, stride=1)
        self.layer2 = stage(blocks[1], n1, n2, stride=2)
        self.layer3 = stage(blocks[2], n2, n3, stride=2)
        self.layer4 = stage(blocks[3], n3, n4, stride=2)
        self.fc = nn.Linear(n4, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits, N×n_classes, of images N×in_channels×H×W; H and W are at least 8."""
        # The shapes below are those of width 64.
        x = F.relu(self.bn1(self.conv1(x)))  # N×64×H×W
        x = self.layer1(x)
        x = self.layer2(x)  # N×128×H/2×W/2
        x = self.layer3(x)  # N×256×H/4×W/4
        x = self.layer4(x)  # N×512×H/8×W/8
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)  # N×512
        return self.fc(x).float()  # N×n_classes; fp32 even under autocast


def stage(blocks: int, n_in: int, n_out: int, stride: int) -> nn.Sequential:
    """Return the blocks of one stage; the first one changes the number of channels and the resolution.

    Args:
        blocks: number of blocks.
        n_in: input channels.
        n_out: output channels.
        stride: stride of the first block.
    """
    return nn.Sequential(BasicBlock(n_in, n_out, stride), *(BasicBlock(n_out, n_out, 1) for _ in range(blocks - 1)))


@model("resnet18")
class ResNet18(ResNet):
    """ResNet18 for images of about 32 pixels, as used for CIFAR: 11,173,962 parameters for ten classes.

    Args:
        n_classes, in_channels, width: see `ResNet`.
    """

    def __init__(self, n_classes: int = 10, in_channels: int = 3, width: int = 64) -> None:
        super().__init__((2, 2, 2, 2), n_classes, in_channels, width)
