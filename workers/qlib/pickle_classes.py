"""What a pickle of Qlib may hold: exact names, none by its module alone.

``CALLED`` may be called by a pickle with whatever arguments: values of Python, numpy, pandas and Arrow, whose making
does nothing else. ``FILLED`` are classes whose constructors could do anything (Qlib builds whatever class a
configuration names, numpy takes bytes for addresses of objects): a pickle may only make one empty and fill in its
state, as pickle does of itself, or name one.
"""

from __future__ import annotations

from collections.abc import Mapping

Name = tuple[str, str]  # module and name
FIX = (
    "It is not read. Only exact classes of Qlib, pandas, numpy, PyTorch and the tree libraries are, and"
    " ROLLQ_PICKLE_CLASSES."
)


def _names(modules: Mapping[str, str]) -> frozenset[Name]:
    return frozenset((module, name) for module, names in modules.items() for name in names.split())


# Where names were in other versions, and where they are now.
MOVED: Mapping[Name, Name] = {
    ("pandas.core.internals.blocks", "new_block"): ("pandas._libs.internals", "_unpickle_block"),
    ("pandas._libs.tslibs.nattype", "__nat_unpickle"): ("pandas._libs.tslibs.nattype", "_nat_unpickle"),
    ("pandas.core.indexes.numeric", "Int64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.numeric", "UInt64Index"): ("pandas.core.indexes.base", "Index"),
    ("pandas.core.indexes.numeric", "Float64Index"): ("pandas.core.indexes.base", "Index"),
    ("pathlib._local", "PosixPath"): ("pathlib", "PosixPath"),
}
MOVED_MODULES: Mapping[str, str] = {
    "__builtin__": "builtins",
    "copy_reg": "copyreg",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}

CALLED = _names(
    {
        "builtins": "slice set frozenset bytearray complex range",
        "collections": "OrderedDict defaultdict Counter deque",
        "datetime": "datetime date time timedelta timezone",
        "zoneinfo": "ZoneInfo",
        "decimal": "Decimal",
        "pathlib": "PosixPath PurePosixPath",
        "numpy": "dtype",
        "numpy._core.multiarray": "_reconstruct scalar",
        "numpy._core.numeric": "_frombuffer",
        "pandas": (
            "DataFrame Series Index MultiIndex RangeIndex DatetimeIndex TimedeltaIndex PeriodIndex IntervalIndex"
            " CategoricalIndex Categorical CategoricalDtype DatetimeTZDtype StringDtype IntervalDtype PeriodDtype"
            " Int8Dtype Int16Dtype Int32Dtype Int64Dtype UInt8Dtype UInt16Dtype UInt32Dtype UInt64Dtype Float32Dtype"
            " Float64Dtype BooleanDtype"
        ),
        "pandas.arrays": (
            "DatetimeArray TimedeltaArray PeriodArray IntervalArray IntegerArray FloatingArray BooleanArray StringArray"
            " ArrowStringArray NumpyExtensionArray"
        ),
        "pandas._libs.arrays": "__pyx_unpickle_NDArrayBacked",
        "pandas._libs.internals": "_unpickle_block",
        "pandas._libs.tslibs.nattype": "_nat_unpickle",
        "pandas._libs.tslibs.timestamps": "_unpickle_timestamp Timestamp",
        "pandas._libs.tslibs.timedeltas": "_timedelta_unpickle Timedelta",
        "pandas._libs.tslibs.period": "Period",
        "pandas._libs.tslibs.offsets": (
            "Day BusinessDay Hour Minute Second Milli Micro Nano Week MonthBegin MonthEnd BusinessMonthBegin"
            " BusinessMonthEnd QuarterBegin QuarterEnd BQuarterBegin BQuarterEnd YearBegin YearEnd BYearBegin BYearEnd"
        ),
        "pandas.core.frame": "DataFrame",
        "pandas.core.series": "Series",
        "pandas.core.indexes.base": "Index",
        "pandas.core.indexes.multi": "MultiIndex",
        "pandas.core.indexes.range": "RangeIndex",
        "pandas.core.indexes.datetimes": "DatetimeIndex",
        "pandas.core.indexes.timedeltas": "TimedeltaIndex",
        "pandas.core.indexes.period": "PeriodIndex",
        "pandas.core.indexes.category": "CategoricalIndex",
        "pandas.core.indexes.frozen": "FrozenList",
        "pandas.core.internals.managers": "BlockManager SingleBlockManager",
        "pandas.core.arrays.datetimes": "DatetimeArray",
        "pandas.core.arrays.timedeltas": "TimedeltaArray",
        "pandas.core.arrays.period": "PeriodArray",
        "pandas.core.arrays.categorical": "Categorical",
        "pandas.core.arrays.string_": "StringArray StringDtype",
        "pandas.core.arrays.string_arrow": "ArrowStringArray ArrowStringArrayNumpySemantics",
        "pandas.core.arrays.integer": "IntegerArray Int8Dtype Int16Dtype Int32Dtype Int64Dtype",
        "pandas.core.arrays.floating": "FloatingArray Float32Dtype Float64Dtype",
        "pandas.core.arrays.boolean": "BooleanArray BooleanDtype",
        "pandas.core.dtypes.dtypes": "CategoricalDtype DatetimeTZDtype PeriodDtype",
        "pyarrow.lib": "py_buffer type_for_alias chunked_array",
        "qlib.backtest.decision": "OrderDir",
    }
)

# What a network may call between its modules.
FUNCTIONS_NAMED = "relu leaky_relu elu selu gelu silu softmax log_softmax softplus hardtanh"
FUNCTIONS = FUNCTIONS_NAMED.split()

FILLED = _names(
    {
        "builtins": "list dict tuple int float bool str",
        "numpy": "ndarray",
        "lightgbm.basic": "Booster",
        "xgboost.core": "Booster",
        "catboost.core": "CatBoost CatBoostRegressor CatBoostClassifier",
        "torch.nn.functional": FUNCTIONS_NAMED,
        "torch.nn.modules.activation": (
            "ReLU ReLU6 LeakyReLU PReLU ELU SELU GELU SiLU Mish Tanh Sigmoid LogSigmoid Hardsigmoid Hardswish Hardtanh"
            " Softplus Softmax LogSoftmax MultiheadAttention"
        ),
        "torch.nn.modules.batchnorm": "BatchNorm1d BatchNorm2d",
        "torch.nn.modules.container": "Sequential ModuleList ModuleDict ParameterList ParameterDict",
        "torch.nn.modules.conv": "Conv1d Conv2d",
        "torch.nn.modules.dropout": "Dropout Dropout1d Dropout2d AlphaDropout",
        "torch.nn.modules.flatten": "Flatten Unflatten",
        "torch.nn.modules.linear": "Linear Bilinear Identity NonDynamicallyQuantizableLinear",
        "torch.nn.modules.loss": "MSELoss L1Loss SmoothL1Loss HuberLoss BCELoss BCEWithLogitsLoss CrossEntropyLoss",
        "torch.nn.modules.normalization": "LayerNorm GroupNorm RMSNorm",
        "torch.nn.modules.pooling": "AvgPool1d MaxPool1d AdaptiveAvgPool1d AdaptiveMaxPool1d",
        "torch.nn.modules.rnn": "RNN LSTM GRU RNNCell LSTMCell GRUCell",
        "torch.nn.modules.sparse": "Embedding",
        "torch.nn.modules.transformer": (
            "Transformer TransformerEncoder TransformerEncoderLayer TransformerDecoder TransformerDecoderLayer"
        ),
        "torch.nn.utils.weight_norm": "WeightNorm",
        "torch.optim.adam": "Adam",
        "torch.optim.adamw": "AdamW",
        "torch.optim.adagrad": "Adagrad",
        "torch.optim.rmsprop": "RMSprop",
        "torch.optim.sgd": "SGD",
        "torch.optim.lr_scheduler": "ReduceLROnPlateau StepLR ExponentialLR CosineAnnealingLR",
        "qlib.contrib.model.pytorch_adarnn": "ADARNN AdaRNN",
        "qlib.contrib.model.pytorch_add": "ADD ADDModel Decoder RevGrad",
        "qlib.contrib.model.pytorch_alstm": "ALSTM ALSTMModel",
        "qlib.contrib.model.pytorch_alstm_ts": "ALSTM ALSTMModel",
        "qlib.contrib.model.pytorch_gats": "GATs GATModel",
        "qlib.contrib.model.pytorch_gats_ts": "GATs GATModel",
        "qlib.contrib.model.pytorch_general_nn": "GeneralPTNN",
        "qlib.contrib.model.pytorch_gru": "GRU GRUModel",
        "qlib.contrib.model.pytorch_gru_ts": "GRU GRUModel",
        "qlib.contrib.model.pytorch_igmtf": "IGMTF IGMTFModel",
        "qlib.contrib.model.pytorch_krnn": "KRNN KRNNModel CNNEncoderBase KRNNEncoderBase CNNKRNNEncoder",
        "qlib.contrib.model.pytorch_localformer": (
            "LocalformerModel LocalformerEncoder PositionalEncoding Transformer"
        ),
        "qlib.contrib.model.pytorch_localformer_ts": (
            "LocalformerModel LocalformerEncoder PositionalEncoding Transformer"
        ),
        "qlib.contrib.model.pytorch_lstm": "LSTM LSTMModel",
        "qlib.contrib.model.pytorch_lstm_ts": "LSTM LSTMModel",
        "qlib.contrib.model.pytorch_nn": "DNNModelPytorch Net AverageMeter",
        "qlib.contrib.model.pytorch_sandwich": "Sandwich SandwichModel",
        "qlib.contrib.model.pytorch_sfm": "SFM SFM_Model",
        "qlib.contrib.model.pytorch_tabnet": (
            "TabnetModel FinetuneModel TabNet TabNet_Decoder DecoderStep DecisionStep FeatureTransformer"
            " AttentionTransformer GBN GLU"
        ),
        "qlib.contrib.model.pytorch_tcn": "TCN TCNModel",
        "qlib.contrib.model.pytorch_tcn_ts": "TCN TCNModel",
        "qlib.contrib.model.pytorch_tcts": "TCTS MLPModel GRUModel",
        "qlib.contrib.model.pytorch_transformer": "TransformerModel Transformer PositionalEncoding",
        "qlib.contrib.model.pytorch_transformer_ts": "TransformerModel Transformer PositionalEncoding",
        "qlib.contrib.model.tcn": "TemporalConvNet TemporalBlock Chomp1d",
        "qlib.contrib.model.gbdt": "LGBModel",
        "qlib.contrib.model.highfreq_gdbt_model": "HFLGBModel",
        "qlib.contrib.model.xgboost": "XGBModel",
        "qlib.contrib.model.catboost_model": "CatBoostModel",
        "qlib.contrib.model.linear": "LinearModel",
        "qlib.contrib.model.double_ensemble": "DEnsembleModel",
        "qlib.log": "QlibLogger",
        "qlib.data.dataset": "DatasetH TSDatasetH",
        "qlib.data.dataset.handler": "DataHandler DataHandlerLP",
        "qlib.data.dataset.loader": "QlibDataLoader StaticDataLoader NestedDataLoader DataLoaderDH",
        "qlib.data.dataset.processor": (
            "DropnaProcessor DropnaLabel DropCol FilterCol TanhProcess ProcessInf Fillna MinMaxNorm ZScoreNorm"
            " RobustZScoreNorm CSZScoreNorm CSRankNorm CSZFillna HashStockFormat TimeRangeFlt"
        ),
        "qlib.data.dataset.storage": "NaiveDFStorage HashingStockStorage",
        "qlib.data.filter": "NameDFilter ExpressionDFilter",
        "qlib.contrib.data.handler": "Alpha158 Alpha158vwap Alpha360 Alpha360vwap",
        "qlib.contrib.data.loader": "Alpha158DL Alpha360DL",
        "qlib.contrib.data.processor": "ConfigSectionProcessor",
        "qlib.backtest.position": "Position InfPosition",
        "qlib.backtest.report": "PortfolioMetrics Indicator",
        "qlib.backtest.decision": "Order",
        "qlib.backtest.high_performance_ds": (
            "SingleMetric PandasSingleMetric PandasOrderIndicator NumpyOrderIndicator"
        ),
        "qlib.utils.index_data": "Index LocIndexer SingleData MultiData",
    }
)
