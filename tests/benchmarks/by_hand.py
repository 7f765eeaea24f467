"""The two scripts of the thesis (appendices F and G) in plain Keras 3: what `make benchmark` compares with.

One process: load the images, train, evaluate. `transfer` extracts features with a frozen backbone and fits a head;
`scratch` fits the whole network. Nothing of leukobench is imported. Prints one line of JSON.
"""

import argparse
import json
import time
from pathlib import Path

import keras
import numpy as np
from keras import layers
from keras.applications import mobilenet


class Steps(keras.callbacks.Callback):
    """Seconds of the steps of every epoch, without validation."""

    def __init__(self):
        super().__init__()
        self.seconds = []

    def on_epoch_begin(self, epoch, logs=None):
        self.began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.ended = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds.append(self.ended - self.began)


def load(folder: Path, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scaled images, one-hot labels and files of a split, in the order of the files."""
    dataset = keras.utils.image_dataset_from_directory(
        folder, label_mode="categorical", image_size=(size, size), batch_size=64, shuffle=False
    )
    batches = [(images.numpy(), labels.numpy()) for images, labels in dataset]
    images, labels = (np.concatenate(part) for part in zip(*batches, strict=True))
    return mobilenet.preprocess_input(images), labels, dataset.file_paths


def main() -> None:
    """Run one script."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("mode", choices=("transfer", "scratch"))
    parser.add_argument("data", type=Path, help="train/, validation/ and test/, each with a folder a class")
    parser.add_argument("--weights", type=Path, help="of the backbone, for transfer")
    parser.add_argument("--alpha", type=float, default=0.5, help="width of MobileNet")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()

    keras.utils.set_random_seed(asked.seed)
    began = time.perf_counter()
    train, train_labels, _ = load(asked.data / "train", asked.size)
    validation, validation_labels, _ = load(asked.data / "validation", asked.size)
    test, test_labels, files = load(asked.data / "test", asked.size)
    loaded = time.perf_counter()

    classes, shape = train_labels.shape[1], (asked.size, asked.size, 3)
    if asked.mode == "transfer":
        backbone = mobilenet.MobileNet(alpha=asked.alpha, include_top=False, weights=None, input_shape=shape)
        backbone.load_weights(asked.weights)
        backbone.trainable = False
        train, validation, test = (
            backbone.predict(images, batch_size=asked.batch_size, verbose=0)
            for images in (train, validation, test)
        )
        head = [layers.Flatten(), layers.Dense(256, activation="relu"), layers.Dropout(0.5)]
        model = keras.Sequential(
            [layers.Input(train.shape[1:]), *head, layers.Dense(classes, activation="softmax")]
        )
    else:
        model = mobilenet.MobileNet(alpha=asked.alpha, weights=None, classes=classes, input_shape=shape)
    extracted = time.perf_counter()

    rate = keras.optimizers.schedules.InverseTimeDecay(1e-5, decay_steps=1, decay_rate=1e-3)
    model.compile(keras.optimizers.RMSprop(rate), loss="categorical_crossentropy", metrics=["accuracy"])
    steps = Steps()
    model.fit(
        train,
        train_labels,
        batch_size=asked.batch_size,
        epochs=asked.epochs,
        validation_data=(validation, validation_labels),
        callbacks=[steps],
        verbose=0,
    )
    fitted = time.perf_counter()
    predicted = model.predict(test, batch_size=asked.batch_size, verbose=0).argmax(axis=1)
    right = predicted == test_labels.argmax(axis=1)
    later = steps.seconds[1:] or steps.seconds  # the first epoch traces and compiles
    print(
        json.dumps(
            {
                "load_s": loaded - began,
                "features_s": extracted - loaded,
                "fit_s": fitted - extracted,
                "images_per_s": len(train) * len(later) / sum(later),
                "accuracy": float(right.mean()),
                "right": {
                    Path(file).relative_to(asked.data / "test").as_posix(): bool(one)
                    for file, one in zip(files, right, strict=True)
                },
            }
        )
    )


if __name__ == "__main__":
    main()
