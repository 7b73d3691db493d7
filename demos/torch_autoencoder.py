"""A model of PyTorch's reports like any other: the article's autoencoder, trained by a plain PyTorch loop."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt

from quire import NotebookOutput, Range
from quire_models import Dataset, Shape, StackedAutoencoder, Step, datasets, initialisers, tile

try:
    import torch
    from torch import nn
except ImportError as error:
    raise SystemExit(
        f"demos/torch_autoencoder.py needs PyTorch ({error}). Install it beside Quire: "
        "pip install torch --index-url https://download.pytorch.org/whl/cpu"
    ) from None

Pixels = npt.NDArray[np.float32]

# For each size of picture: the shapes of the two codes.
LAYERS: dict[Shape, list[Shape]] = {(8, 8): [(6, 6), (4, 4)], (28, 28): [(10, 10), (5, 5)]}
EPOCHS = {"digits": 60, "mnist": 4, "fashion-mnist": 4}
BATCH = {"digits": 32, "mnist": 100, "fashion-mnist": 100}
RATE = 1e-3
# The steps without chance, in which both libraries must agree, and those of them that are shown. Rounding
# grows with each step, so that after hundreds even one library in two precisions is apart.
ALIKE = 50
SHOWN = (1, 10, 20, 50)
# Run by a test as it stands here.
PARALLEL = '''\
"""Started by `torchrun --standalone --nproc-per-node=2 parallel.py`, which runs it in two processes."""

import torch
from torch import distributed, nn

from quire import open_report


def losses(model, steps):
    adam = torch.optim.Adam(model.parameters())
    for _ in range(steps):
        pictures = torch.rand(32, 64)  # this process's own share of the batch
        loss = ((model(pictures) - pictures) ** 2).mean()
        adam.zero_grad()
        loss.backward()  # the mean of the gradients of all processes
        adam.step()
        yield loss.item()


distributed.init_process_group("gloo")
rank = distributed.get_rank()
torch.manual_seed(rank)
layers = nn.Sequential(nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 64))
model = nn.parallel.DistributedDataParallel(layers)
if rank == 0:
    with open_report("reports/parallel") as log:
        log.h1("Trained by two processes")
        for step, loss in enumerate(log.progress(losses(model, 200), "training", 200), 1):
            log.metrics(step, loss=loss)
else:
    for _ in losses(model, 200):
        pass
distributed.destroy_process_group()
'''


def torch_autoencoder(
    log: NotebookOutput,
    dataset: Literal["digits", "mnist", "fashion-mnist"] = "digits",
    data: Path | None = None,
    epochs: Annotated[int | None, Range(1, 1_000_000)] = None,
    noise: Annotated[float, Range(0, 1)] = 0.1,
    seed: int = 0,
    quick: bool = False,
) -> None:
    """Trains an autoencoder with PyTorch, and the same one with quire_models beside it.

    Args:
        dataset: what to learn: scikit-learn's digits of 8x8, or MNIST, which is fetched once.
        data: a folder that holds the IDX files, gzipped or not, instead of fetching them.
        epochs: how often each phase goes through the images; by default 60 for digits, 4 for MNIST.
        noise: the standard deviation of the noise on the input of each layer, in training.
        seed: of first weights, noise and the order of the images.
        quick: a quarter of the epochs, to see that all works.
    """
    log.h1("An autoencoder in PyTorch")
    log.p("""
        Quire does not ask which library a model is of. Here is the article's denoising autoencoder of two
        layers as a module of PyTorch's, trained by a plain PyTorch loop. The loop reports through the same
        `NotebookOutput` as all other demos: served, it may be paused and stopped, and answers while it
        trains. Beside it, `quire_models` trains the same network from the same first weights.
    """)
    log.p("*The findings will stand here when the run has ended.*", key="findings")
    fetching = log.progress(label=f"fetching {dataset}")
    with log.code():
        digits = datasets.load(dataset, data, progress=fetching.update)
        print(len(digits.train_images), "pictures to learn from,", len(digits.test_images), "to test with")
    fetching.finish()
    epochs = epochs or max(1, EPOCHS[dataset] // (4 if quick else 1))
    settings = Settings(digits, LAYERS[digits.shape], epochs, BATCH[dataset], noise, seed)
    net = build(log, settings)
    offer_page(log, settings, net)
    train(log, settings, net)
    show_reconstructions(log, settings, net)
    show_units(log, settings, net)
    compare(log, settings, net)
    tell_of_many(log)


@dataclass(frozen=True)
class Settings:
    """What both libraries are given."""

    digits: Dataset
    layers: Sequence[Shape]
    epochs: int
    batch: int
    noise: float
    seed: int


class Pair(nn.Module):
    """An encoder and its decoder, which has the encoder's weights transposed until it is untied."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.encoder = nn.Linear(inputs, outputs)
        self.decoder = nn.Linear(outputs, inputs)
        self.is_tied = True

    def encode(self, x: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
        """The codes of inputs, to which noise is added first."""
        return torch.relu(self.encoder(x + noise * torch.randn_like(x) if noise else x))

    def decode(self, code: torch.Tensor) -> torch.Tensor:
        """The inputs as codes give them back."""
        weights = self.encoder.weight.T if self.is_tied else self.decoder.weight
        return torch.relu(nn.functional.linear(code, weights, self.decoder.bias))

    def forward(self, x: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
        """Inputs through the code and back."""
        return self.decode(self.encode(x, noise))

    def untie(self) -> None:
        """Gives the decoder weights of its own, as they are now."""
        self.is_tied = False
        with torch.no_grad():
            self.decoder.weight.copy_(self.encoder.weight.T)


class Stack(nn.Module):
    """Pairs, each of which codes the codes of the one before it."""

    def __init__(self, units: Sequence[int]) -> None:
        super().__init__()
        self.pairs = [Pair(inputs, outputs) for inputs, outputs in pairwise(units)]
        # PyTorch finds what is to be learnt by this.
        self.layers = nn.ModuleList(self.pairs)

    def encode(self, x: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
        """The codes of pictures; noise is added to the input of each layer."""
        for pair in self.pairs:
            x = pair.encode(x, noise)
        return x

    def decode(self, code: torch.Tensor, layer: int = -1) -> torch.Tensor:
        """The pictures that codes of a layer stand for; by default of the highest."""
        for pair in reversed(self.pairs[: layer % len(self.pairs) + 1]):
            code = pair.decode(code)
        return code

    def forward(self, x: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
        """Pictures through the code and back."""
        return self.decode(self.encode(x, noise))

    def untie(self) -> None:
        """Gives all decoders weights of their own."""
        for pair in self.pairs:
            pair.untie()


def build(log: NotebookOutput, s: Settings) -> Stack:
    """Makes the network, with the first weights that `quire_models` would give it."""
    log.h2("The network")
    log.p("""
        Each layer is noise on its input, a linear map and a ReLU; its decoder has the same weights,
        transposed, until all layers are trained together. First weights are taken from `quire_models`, so
        that both networks begin alike. One seed and one thread make the run repeatable on a machine.
    """)
    with log.code():
        torch.manual_seed(s.seed)
        torch.use_deterministic_algorithms(True)
        torch.set_num_threads(1)
        net = Stack([math.prod(shape) for shape in (s.digits.shape, *s.layers)])
        take_weights(net, first_weights(s))
    log.code(lambda: net)
    return net


def first_weights(s: Settings) -> StackedAutoencoder:
    """The same network of `quire_models`, untrained."""
    stack = StackedAutoencoder(shape=s.digits.shape, random_state=s.seed)
    for shape in s.layers:
        stack.grow(shape, noise=s.noise, initialiser=initialisers.RandomDistance())
    return stack


def take_weights(net: Stack, stack: StackedAutoencoder) -> None:
    """Gives a network of PyTorch's the weights of one of `quire_models`, whose biases are 0."""
    with torch.no_grad():
        for ours, theirs in zip(net.pairs, stack.pairs, strict=True):
            ours.encoder.weight.copy_(torch.from_numpy(theirs.encoder.weights.T))
            ours.encoder.bias.zero_()
            ours.decoder.bias.zero_()


def offer_page(log: NotebookOutput, s: Settings, net: Stack) -> None:
    """Offers a page that is written when a reader asks for it, by the network as it is then."""

    @log.page("now", "The network as it is now")
    def now(page: NotebookOutput, count: Annotated[int, Range(1, 100)] = 6) -> None:
        page.h1("The network as it is now")
        page.table(reconstructed(s, net, range(count)), formats={"squared error": ".4f"})
        for layer in range(len(s.layers)):
            show_layer(page, s, net, layer)


def train(log: NotebookOutput, s: Settings, net: Stack) -> None:
    """Trains each layer for itself, then all together: the loop that this demo is about."""
    log.h2("Training")
    log.p("""
        Each layer learns to give back the codes of the one below it; then all learn to give back the
        picture. This is a plain PyTorch loop with four things of the report's in it: `log.progress` around
        the epochs, `log.pause_point` after each step, `log.metrics` after each epoch, and a slider whose
        `value` the loop reads. At a pause point the run may be held or ended, and readers are answered.
    """)
    noise = log.slider("noise in training", 0, 1, value=s.noise, step=0.05)
    pictures, tested = torch.from_numpy(s.digits.train_images), torch.from_numpy(s.digits.test_images)
    with log.code():
        for phase, module, inputs, others in phases(net, pictures, tested):
            adam = torch.optim.Adam(module.parameters(), lr=RATE)
            for epoch in log.progress(range(1, s.epochs + 1), phase):
                losses = []
                for chosen in torch.randperm(len(inputs)).split(s.batch):
                    loss = squared_error(module(inputs[chosen], noise.value), inputs[chosen])
                    adam.zero_grad()
                    loss.backward()
                    adam.step()
                    losses.append(loss.item())
                    log.pause_point()
                with torch.no_grad():
                    error = squared_error(module(others), others).item()
                log.metrics(epoch, chart=f"{phase}: squared error", training=np.mean(losses), test=error)
    log.p("The curve of the training has noise on its inputs; that of the test pictures has none.")


def phases(
    net: Stack, pictures: torch.Tensor, tested: torch.Tensor
) -> Iterator[tuple[str, Pair | Stack, torch.Tensor, torch.Tensor]]:
    """What is trained in turn: its name, the module, what it learns from, and what it is tested with."""
    inputs, others = pictures, tested
    for number, pair in enumerate(net.pairs, 1):
        yield f"Layer {number}", pair, inputs, others
        with torch.no_grad():
            inputs, others = pair.encode(inputs), pair.encode(others)
    net.untie()
    yield "Both layers", net, pictures, tested


def squared_error(given_back: torch.Tensor, pictures: torch.Tensor) -> torch.Tensor:
    """The mean squared error."""
    return nn.functional.mse_loss(given_back, pictures)


def show_reconstructions(log: NotebookOutput, s: Settings, net: Stack) -> None:
    """Pictures, the same with noise, and what the network makes of that; and one for the reader to try."""
    log.h2("Pictures, noise, and what comes back")
    log.table(
        reconstructed(s, net, range(6)),
        "The first test pictures. What is given back is made from the picture with noise, by the code alone.",
        formats={"squared error": ".4f"},
    )
    number = log.number("test picture", 0, least=0, greatest=len(s.digits.test_labels) - 1, step=1)

    @log.interact(
        "With more noise", number=number, noise=log.slider("noise", 0, 1, value=2 * s.noise, step=0.05)
    )
    def noisier(part: NotebookOutput, number: float, noise: float) -> None:
        part.table(reconstructed(s, net, [int(number)], noise), formats={"squared error": ".4f"})


def reconstructed(
    s: Settings, net: Stack, numbers: Sequence[int], noise: float | None = None
) -> dict[str, Any]:
    """A table of test pictures, with noise and as the network gives that back."""
    pictures = s.digits.test_images[list(numbers)]
    # A generator of its own: what a reader asks for must not change what the training draws.
    drawn = np.random.default_rng(s.seed).standard_normal(pictures.shape, np.float32)
    noisy = pictures + np.float32(s.noise if noise is None else noise) * drawn
    with torch.no_grad():
        back = net(torch.from_numpy(noisy)).numpy()
    return {
        "picture": squares(s, pictures),
        "with noise": squares(s, noisy),
        "given back": squares(s, back),
        "squared error": ((back - pictures) ** 2).mean(axis=1),
    }


def show_units(log: NotebookOutput, s: Settings, net: Stack) -> None:
    """The picture of each unit of both codes."""
    log.h2("What the units stand for")
    log.p("The picture of each code in which one unit alone is on, from black to white.")
    for layer in range(len(s.layers)):
        show_layer(log, s, net, layer)


def show_layer(log: NotebookOutput, s: Settings, net: Stack, layer: int) -> None:
    """The pictures of the units of a layer, in the order of the code's square."""
    count = math.prod(s.layers[layer])
    with torch.no_grad():
        pictures = net.decode(10 * torch.eye(count), layer).numpy()
    sheet = tile(pictures.reshape(-1, *s.digits.shape), columns=s.layers[layer][1], stretch=True)
    log.image(sheet, f"The {count} units of layer {layer + 1}.", scale=max(1, 280 // len(sheet)))


def compare(log: NotebookOutput, s: Settings, net: Stack) -> None:
    """Trains the same network with `quire_models`, and says how far the two are apart."""
    log.h2("Beside quire_models")
    apart = step_for_step(log, s)
    stack = train_beside(log, s)
    tested = s.digits.test_images
    with torch.no_grad():
        back = net(torch.from_numpy(tested)).numpy()
        codes = [net.encode(torch.from_numpy(each)).numpy() for each in (s.digits.train_images, tested)]
    theirs = [stack.transform(each) for each in (s.digits.train_images, tested)]
    log.p("""
        What a code knows is asked by a linear probe: a softmax layer on the code as it is, which L-BFGS
        teaches the labels from zero. Both codes get the same probe, of PyTorch's.
    """)
    with log.code():
        probed = [probe(s.digits, *codes), probe(s.digits, *theirs)]
    rows = [
        row_of("PyTorch", ((back - tested) ** 2).mean(), probed[0]),
        row_of("quire_models", -stack.score(tested), probed[1]),
        row_of("the mean picture", ((s.digits.train_images.mean(axis=0) - tested) ** 2).mean(), None),
    ]
    log.table(
        rows,
        f"{len(tested):,} test pictures without noise, given back from {codes[0].shape[1]} numbers each, and "
        "the share of them that the probe recognises.",
        formats={"squared error": ".4f", "PSNR (dB)": ".1f", "recognised": ".1%"},
    )
    log.metadata(
        psnr_torch=round(rows[0]["PSNR (dB)"], 2),
        psnr_quire_models=round(rows[1]["PSNR (dB)"], 2),
        recognised_torch=round(probed[0], 4),
        recognised_quire_models=round(probed[1], 4),
    )
    log.p(
        f"""
        **What came out:** trained by a PyTorch loop, {codes[0].shape[1]} numbers give a picture of
        {tested.shape[1]} pixels back with {rows[0]["PSNR (dB)"]:.1f} dB, and tell {probed[0]:.1%} of the
        test pictures apart; trained by `quire_models` from the same first weights,
        {rows[1]["PSNR (dB)"]:.1f} dB and {probed[1]:.1%}. Where chance plays no part, the losses of
        {ALIKE} steps differ by no more than {apart:.4%}.
        """,
        key="findings",
    )


def step_for_step(log: NotebookOutput, s: Settings) -> float:
    """Trains both from the same weights where chance plays no part.

    Returns:
        The greatest difference of their losses at a step, as a share of the loss.
    """
    log.p("""
        Each draws noise and order in its own way. So first a training without either: no noise, and the same
        pictures in every step. If both do the same arithmetic, their losses agree but for rounding.
    """)
    images = s.digits.train_images[: s.batch]
    with log.code():
        stack = first_weights(s)
        net = Stack([math.prod(shape) for shape in (s.digits.shape, *s.layers)])
        take_weights(net, stack)
        stack.untie()
        net.untie()
        for pair in stack.pairs:
            pair.encoder.noise = 0.0
        theirs = [step.loss for step in stack.tune(images, epochs=ALIKE, batch=len(images))]
        ours, pictures = [], torch.from_numpy(images)
        adam = torch.optim.Adam(net.parameters(), lr=RATE)
        for _ in log.progress(range(ALIKE), "step for step"):
            loss = squared_error(net(pictures), pictures)
            adam.zero_grad()
            loss.backward()
            adam.step()
            ours.append(loss.item())
    log.table(
        [{"step": n, "PyTorch": ours[n - 1], "quire_models": theirs[n - 1]} for n in SHOWN],
        f"The squared error of the same {len(images)} pictures before a step.",
        formats={"PyTorch": ".6f", "quire_models": ".6f"},
    )
    return float(np.max(np.abs(np.array(ours) / theirs - 1)))


def train_beside(log: NotebookOutput, s: Settings) -> StackedAutoencoder:
    """The same phases as above, by `quire_models`."""
    log.p("""
        Then the whole training, by the same phases, batches and learning rate as above and from the same
        first weights, but with other noise and in another order.
    """)
    images = s.digits.train_images
    with log.code():
        stack = StackedAutoencoder(shape=s.digits.shape, random_state=s.seed)
        for number, shape in enumerate(s.layers, 1):
            stack.grow(shape, noise=s.noise, initialiser=initialisers.RandomDistance())
            follow(
                log, stack.pretrain(images, epochs=s.epochs, batch=s.batch), f"quire_models, layer {number}"
            )
        stack.untie()
        follow(log, stack.tune(images, epochs=s.epochs, batch=s.batch), "quire_models, both layers")
    return stack


def follow(log: NotebookOutput, steps: Iterator[Step], label: str) -> None:
    """Takes all steps of a training, and shows how far it has come."""
    bar = log.progress(label=label)
    for step in steps:
        bar.update(step.number, step.total)
    bar.finish()


def probe(digits: Dataset, codes: Pixels, tested: Pixels) -> float:
    """The share of test pictures that a softmax layer on their codes recognises."""
    layer = nn.Linear(codes.shape[1], digits.classes)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    scale = codes.max()
    inputs, labels = torch.from_numpy(codes / scale), torch.from_numpy(digits.train_labels)
    descent = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        descent.zero_grad()
        value = nn.functional.cross_entropy(layer(inputs), labels)
        value.backward()
        return value

    descent.step(loss)
    with torch.no_grad():
        found = layer(torch.from_numpy(tested / scale)).argmax(dim=1).numpy()
    return float((found == digits.test_labels).mean())


def row_of(name: str, error: float, recognised: float | None) -> dict[str, Any]:
    """A row of the table of networks."""
    psnr = -10 * math.log10(error)
    return {"network": name, "squared error": error, "PSNR (dB)": psnr, "recognised": recognised}


def squares(s: Settings, rows: Pixels) -> Pixels:
    """Rows of pixels as pictures, from 0 to 1."""
    pictures: Pixels = np.clip(rows, 0, 1).reshape(-1, *s.digits.shape)
    return pictures


def tell_of_many(log: NotebookOutput) -> None:
    """Says how a training in many processes reports."""
    log.h2("In many processes")
    log.p("""
        Quire spreads no training over processes or machines; that is left to the framework that is made for
        it. The report needs but one author: rank 0 opens it, and the others run the same loop without it.
    """)
    log.out(f"```python\n{PARALLEL}```")
    log.p("""
        A test runs this script as it stands, in two processes on one machine. For several machines `torchrun`
        takes `--nnodes` and `--rdzv-endpoint`; that was not tried here.
    """)
