"""Trains with Lightning; its callback lets the study prune."""

import hydra
import lightning
import torch
from hydra_study_sweeper import report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Regression(lightning.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.lr = lr
        self.net = nn.Linear(4, 1)

    def loss_of(self, batch):
        x, y = batch
        return nn.functional.mse_loss(self.net(x), y)

    def training_step(self, batch, number):
        return self.loss_of(batch)

    def validation_step(self, batch, number):
        self.log("loss", self.loss_of(batch))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


class Pruning(lightning.Callback):
    def on_validation_end(self, trainer, module):
        if not trainer.sanity_checking:
            report(trainer.callback_metrics["loss"].item(), trainer.current_epoch)


@hydra.main(config_path=".", config_name="config", version_base="1.3")
def main(cfg):
    lightning.seed_everything(cfg.seed)
    x = torch.randn(64, 4)
    loader = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=16)
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=cfg.epochs,
        callbacks=[Pruning()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.fit(Regression(cfg.lr), loader, loader)
    loss = trainer.callback_metrics["loss"].item()
    print("loss", loss)
    return loss


if __name__ == "__main__":
    main()
