"""Published numbers of parameters, with their sources."""

from dataclasses import dataclass

DOCUMENTATION = "Keras documentation, table of Keras Applications"
HOWARD = "Howard et al. 2019, Searching for MobileNetV3, table 3"


@dataclass(frozen=True)
class Published:
    """What was published about a network's size, at its native image size.

    Attributes:
        parameters: Their number, as exact as it was published.
        within: How far ours may be from it: half of the last digit that was published, or a known difference.
        source: Who published it.
        classes: Number of classes of the published network.
        trainable: Only what training changes was counted; else also the statistics of batch normalization.
        note: Why the numbers differ.
    """

    parameters: int
    within: int
    source: str
    classes: int = 1000
    trainable: bool = True
    note: str = ""


CUT = "the documentation cuts digits off where it rounds the others"


def _keras(millions: float) -> Published:
    return Published(round(millions * 1e6), 50_001, DOCUMENTATION, trainable=False)


PUBLISHED = {
    **{
        name: _keras(millions)
        for name, millions in {
            "Xception": 22.9,
            "VGG16": 138.4,
            "VGG19": 143.7,
            "ResNet50": 25.6,
            "ResNet50V2": 25.6,
            "ResNet101": 44.7,
            "ResNet101V2": 44.7,
            "ResNet152": 60.4,
            "ResNet152V2": 60.4,
            "InceptionV3": 23.9,
            "InceptionResNetV2": 55.9,
            "MobileNet": 4.3,
            "MobileNetV2": 3.5,
            "DenseNet121": 8.1,
            "DenseNet169": 14.3,
            "DenseNet201": 20.2,
            "NASNetMobile": 5.3,
            "NASNetLarge": 88.9,
            "EfficientNetB0": 5.3,
            "EfficientNetB1": 7.9,
            "EfficientNetB2": 9.2,
            "EfficientNetB3": 12.3,
            "EfficientNetB4": 19.5,
            "EfficientNetB5": 30.6,
            "EfficientNetB6": 43.3,
            "EfficientNetB7": 66.7,
            "EfficientNetV2B0": 7.2,
            "EfficientNetV2B1": 8.2,
            "EfficientNetV2B2": 10.2,
            "EfficientNetV2B3": 14.5,
            "EfficientNetV2S": 21.6,
            "EfficientNetV2M": 54.4,
            "EfficientNetV2L": 119.0,
            "ConvNeXtTiny": 28.6,
            "ConvNeXtSmall": 50.2,
        }.items()
    },
    "ConvNeXtBase": Published(88_500_000, 100_000, DOCUMENTATION, trainable=False, note=CUT),
    "ConvNeXtLarge": Published(197_700_000, 100_000, DOCUMENTATION, trainable=False, note=CUT),
    "ConvNeXtXLarge": Published(350_100_000, 100_000, DOCUMENTATION, trainable=False, note=CUT),
    "MobileNetV3Large": Published(
        5_400_000,
        100_000,
        HOWARD,
        note="of the network as Keras builds it, 5,483,032 parameters can be trained",
    ),
    "MobileNetV3Small": Published(2_500_000, 50_000, HOWARD),
    "LeNet5": Published(
        60_000,
        1_150,
        "LeCun et al. 1998, section II.B",
        classes=10,
        note="published for gray images and without the classifier, which counts 60,000 here too; "
        "in color C1 has 300 more, and the softmax 850",
    ),
    "AlexNet": Published(60_965_224, 0, "BVLC's Caffe model; the paper says 60 million"),
    "ZFNet": Published(
        62_357_608, 0, "summed by hand from Zeiler and Fergus 2014, figure 3; the paper gives no total"
    ),
    "GoogLeNet": Published(
        6_998_552, 0, "BVLC's Caffe model; Szegedy et al. 2015, table 1, adds up to 6.8 M without biases"
    ),
    "SqueezeNet": Published(1_248_424, 0, "Iandola et al. 2016, table 1"),
    "ResNeXt50": Published(25_000_000, 50_000, "Xie et al. 2017, table 1"),
    "StochasticDepthResNet50": Published(
        25_557_032, 0, "ResNet-50 of torchvision: stochastic depth has no parameters"
    ),
    "StochasticDepthResNet110": Published(1_700_000, 50_000, "He et al. 2016, table 6", classes=10),
    "FractalNet": Published(
        38_600_000,
        5_000_000,
        "Larsson et al. 2017, table 1",
        classes=10,
        note="the five blocks of three columns of 3 x 3 convolutions that the paper describes add up to "
        "33.7 M; it does not say what else it counted",
    ),
}
