"""Training of networks with Keras: one module per mode, and what the modes share.

`transfer`, `scratch` and `finetune` are the modes. `fitting` compiles and trains. `session` prepares the process and
its devices. `batches` and `augmentation` supply images. `checkpoint` saves and restores. `callbacks`, `timing` and
`waits` measure and report. The result is a `classifier`.
"""
