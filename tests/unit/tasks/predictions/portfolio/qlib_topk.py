"""Qlib's own TopkDropoutStrategy, asked session by session: the shares and the cash that it comes to, as JSON."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace

import pandas as pd
from qlib.backtest.decision import Order
from qlib.contrib.strategy.signal_strategy import TopkDropoutStrategy


class Position:
    def __init__(self) -> None:
        self.cash, self.shares = 1.0, {}

    def get_cash(self) -> float:
        return self.cash

    def get_stock_list(self) -> list[str]:
        return list(self.shares)

    def get_stock_amount(self, code: str) -> float:
        return self.shares[code]

    def get_stock_count(self, code: str, bar: str) -> int:
        return 1_000


class Exchange:
    """Every instrument has a price, and nothing costs anything."""

    def __init__(self, prices: dict[str, float]) -> None:
        self.prices = prices

    def is_stock_tradable(self, **_: object) -> bool:
        return True

    def check_order(self, order: object) -> bool:
        return True

    def deal_order(self, order: Order, position: Position) -> tuple[float, float, float]:
        price = self.prices[order.stock_id]
        return order.amount * price, 0.0, price

    def get_deal_price(self, stock_id: str, **_: object) -> float:
        return self.prices[stock_id]

    def get_factor(self, **_: object) -> None:
        return None

    def round_amount_by_trade_unit(self, amount: float, factor: None) -> float:
        return amount


def main() -> None:
    asked = json.loads(sys.stdin.read())
    position, found = Position(), []
    for score, prices in zip(asked["scores"], asked["prices"], strict=True):
        made = object.__new__(TopkDropoutStrategy)
        made.topk, made.n_drop, made.method_sell, made.method_buy = asked["k"], asked["n_drop"], "bottom", "top"
        made.hold_thresh, made.only_tradable, made.forbid_all_trade_at_limit, made.risk_degree = 1, False, True, 1.0
        made.signal = SimpleNamespace(get_signal=lambda start_time, end_time, score=score: pd.Series(score))
        calendar = SimpleNamespace(
            get_trade_step=lambda: 0, get_step_time=lambda step=0, shift=0: (None, None), get_freq=lambda: "day"
        )
        made.level_infra = {"trade_calendar": calendar}
        made.common_infra = {"trade_account": SimpleNamespace(current_position=position)}
        made._trade_exchange = Exchange(prices)
        for order in made.generate_trade_decision().order_list:
            value = order.amount * prices[order.stock_id]
            if order.direction == Order.BUY:
                position.shares[order.stock_id] = order.amount
                position.cash -= value
            else:
                del position.shares[order.stock_id]
                position.cash += value
        found.append({"shares": dict(position.shares), "cash": position.cash})
    sys.stdout.write(json.dumps(found))


main()
