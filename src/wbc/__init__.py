"""The system under test: white-blood-cell images, networks, training and evaluation.

Importing this package loads nothing heavy; the functions that need Keras load it.
"""

REQUIREMENTS = {
    "h5py": "h5py",
    "keras": "keras",
    "numpy": "numpy",
    "pillow": "PIL",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "threadpoolctl": "threadpoolctl",
    "tifffile": "tifffile",
}
"""Distribution -> module, for all that `wbc` imports besides a backend of Keras. A worker needs no more."""

OPTIONAL = {"ai-edge-litert": "ai_edge_litert", "onnxruntime": "onnxruntime"}
"""The same of packages that only exports need: those of the extra `export`."""
