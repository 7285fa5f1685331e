"""One training step of SimCLR, MoCo v2, BYOL and DINO as lightly's examples write it, from lightly's own parts.

After examples/pytorch/{simclr,moco,byol,dino}.py of lightly 1.6, with the widths, temperatures and AdamW of the other contenders:
a forward for every view, heads, losses, slow copies and schedules from lightly. Convolutions are in channels_last, which the
examples do not do and which makes its SimCLR a tenth faster here. Where its parts differ, they are left as they
are: the last BatchNorm of SimCLR's head has a bias, hidden layers before a BatchNorm have none, BYOL's loss is the cosine.
"""

import copy

import torch
from lightly.loss import DINOLoss, NegativeCosineSimilarity, NTXentLoss
from lightly.models.modules import (
    BYOLPredictionHead,
    BYOLProjectionHead,
    DINOProjectionHead,
    MoCoProjectionHead,
    SimCLRProjectionHead,
)
from lightly.models.utils import deactivate_requires_grad, get_weight_decay_parameters, update_momentum
from lightly.utils.scheduler import CosineWarmupScheduler, cosine_schedule
from torch import Tensor, nn


class Step(nn.Module):
    """What the four share: the optimizer and its schedule."""

    def train_with(self, modules: list[nn.Module], *, weight_decay: float, steps: int, warmup: int, lr: float) -> None:
        self.to(memory_format=torch.channels_last)
        decayed, others = get_weight_decay_parameters(modules)
        groups = [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=lr, fused=True)
        self.scheduler = CosineWarmupScheduler(self.optimizer, warmup_epochs=warmup, max_epochs=steps)
        self.steps, self.done = steps, 0

    def descend(self, loss: Tensor) -> Tensor:
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.scheduler.step()
        self.done += 1
        return loss.detach()


class SimCLR(Step):
    def __init__(self, backbone: nn.Module, *, hidden: int = 256, dim: int = 64, **how: float):
        super().__init__()
        self.backbone = backbone
        self.projection_head = SimCLRProjectionHead(backbone.num_features, hidden, dim)
        self.criterion = NTXentLoss(temperature=0.2)
        self.train_with([self.backbone, self.projection_head], weight_decay=1e-4, **how)

    def step(self, views: list[Tensor]) -> Tensor:
        z0, z1 = (self.projection_head(self.backbone(view)) for view in views)
        return self.descend(self.criterion(z0, z1))


class MoCo(Step):
    def __init__(self, backbone: nn.Module, *, hidden: int = 256, dim: int = 64, queue: int = 2048, **how: float):
        super().__init__()
        self.backbone = backbone
        self.projection_head = MoCoProjectionHead(backbone.num_features, hidden, dim)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)
        self.criterion = NTXentLoss(temperature=0.2, memory_bank_size=(queue, dim))
        self.train_with([self.backbone, self.projection_head], weight_decay=5e-4, **how)

    def step(self, views: list[Tensor]) -> Tensor:
        x_query, x_key = views
        update_momentum(self.backbone, self.backbone_momentum, m=0.99)
        update_momentum(self.projection_head, self.projection_head_momentum, m=0.99)
        query = self.projection_head(self.backbone(x_query))
        key = self.projection_head_momentum(self.backbone_momentum(x_key)).detach()
        return self.descend(self.criterion(query, key))


class BYOL(Step):
    def __init__(self, backbone: nn.Module, *, hidden: int = 512, dim: int = 64, **how: float):
        super().__init__()
        self.backbone = backbone
        self.projection_head = BYOLProjectionHead(backbone.num_features, hidden, dim)
        self.prediction_head = BYOLPredictionHead(dim, hidden, dim)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)
        self.criterion = NegativeCosineSimilarity()
        self.train_with([self.backbone, self.projection_head, self.prediction_head], weight_decay=1e-5, **how)

    def step(self, views: list[Tensor]) -> Tensor:
        momentum = cosine_schedule(self.done, self.steps, 0.95, 1)
        update_momentum(self.backbone, self.backbone_momentum, m=momentum)
        update_momentum(self.projection_head, self.projection_head_momentum, m=momentum)
        (p0, z0), (p1, z1) = (self.both(view) for view in views)
        return self.descend(0.5 * (self.criterion(p0, z1) + self.criterion(p1, z0)))

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p = self.prediction_head(self.projection_head(self.backbone(x)))
        return p, self.projection_head_momentum(self.backbone_momentum(x)).detach()


class DINO(Step):
    def __init__(
        self, backbone: nn.Module, *, freeze_last: int, hidden: int = 256, bottleneck: int = 64, prototypes: int = 1024,
        **how: float,
    ):  # fmt: skip
        super().__init__()
        widths = (backbone.num_features, hidden, bottleneck, prototypes)
        self.student_backbone = backbone
        self.student_head = DINOProjectionHead(
            *widths, batch_norm=True, freeze_last_layer=freeze_last, norm_last_layer=False
        )
        self.teacher_backbone = copy.deepcopy(backbone)
        self.teacher_head = DINOProjectionHead(*widths, batch_norm=True)
        deactivate_requires_grad(self.teacher_backbone)
        deactivate_requires_grad(self.teacher_head)
        self.criterion = DINOLoss(prototypes, warmup_teacher_temp_epochs=1, center_momentum=0.5)
        self.train_with([self.student_backbone, self.student_head], weight_decay=0.04, **how)

    def step(self, views: list[Tensor]) -> Tensor:
        momentum = cosine_schedule(self.done, self.steps, 0.97, 1)
        update_momentum(self.student_backbone, self.teacher_backbone, m=momentum)
        update_momentum(self.student_head, self.teacher_head, m=momentum)
        teacher_out = [self.teacher_head(self.teacher_backbone(view)).detach() for view in views[:2]]
        student_out = [self.student_head(self.student_backbone(view)) for view in views]
        loss = self.criterion(teacher_out, student_out, epoch=self.done)
        loss.backward()
        self.student_head.cancel_last_layer_gradients(current_epoch=self.done)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.scheduler.step()
        self.done += 1
        return loss.detach()
