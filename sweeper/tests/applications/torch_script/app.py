"""Fits a curve with PyTorch, saves the network and reads it again."""

from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(1, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, x):
        return self.layers(x)


def curve():
    x = torch.linspace(-1, 1, 64)[:, None]
    return TensorDataset(x, torch.sin(3 * x))


def loss_of(net, batch):
    x, y = batch
    return nn.functional.mse_loss(net(x), y)


@hydra.main(config_path=".", config_name="config", version_base="1.3")
def main(cfg):
    torch.manual_seed(cfg.seed)
    net = Net(cfg.width)
    optimizer = torch.optim.Adam(net.parameters(), lr=cfg.lr)
    context = "spawn" if cfg.loaders else None
    loader = DataLoader(
        curve(), 16, shuffle=True, num_workers=cfg.loaders, multiprocessing_context=context
    )
    for _ in range(cfg.epochs):
        for batch in loader:
            optimizer.zero_grad()
            loss_of(net, batch).backward()
            optimizer.step()
    file = Path(HydraConfig.get().runtime.output_dir) / "net.pt"
    torch.save(net, file)
    net = torch.load(file, weights_only=False)
    loss = loss_of(net, curve()[:]).item()
    print("loss", loss)
    return loss


if __name__ == "__main__":
    main()
