"""Payments of 80 cards on one day, and of some of them on the next morning: payments-day.tsv and
payments-morning.tsv. The same for every run of Python 3."""

import json
import random
from pathlib import Path

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
START_MS = 1_767_225_600_000  # 2026-01-01, UTC
CATEGORIES = ["grocery", "fuel", "travel", "food", "fashion", "health"]

chance = random.Random(7)


def card_of(number):
    return {
        "cardId": f"c-{number:03}",
        "country": chance.choice(["DE", "FR", "NL", "PL"]),
        "typical": chance.uniform(5, 60),
        "payments": chance.randint(2, 8),
    }


def payment_of(card, at_ms, factor=1.0):
    amount = card["typical"] * factor * chance.uniform(0.6, 1.6)
    return {
        "cardId": card["cardId"],
        "merchantId": f"m-{chance.randrange(40):04}",
        "category": chance.choice(CATEGORIES),
        "country": card["country"],
        "amount": round(amount, 2),
        "paidAt": at_ms,
    }


def write(name, prefix, payments):
    with open(Path(__file__).with_name(name), "w", encoding="utf-8") as file:
        for n, payment in enumerate(sorted(payments, key=lambda p: p["paidAt"])):
            line = {"paymentId": f"{prefix}-{n:03}", **payment}
            file.write(f"{line['cardId']}\t{json.dumps(line, separators=(',', ':'))}\n")


cards = [card_of(number) for number in range(80)]
day = [
    payment_of(card, START_MS + round(chance.uniform(6, 23) * HOUR_MS))
    for card in cards
    for _ in range(card["payments"])
]
morning = []
for card in cards[:60] + [card_of(number) for number in range(90, 100)]:
    at_ms = START_MS + DAY_MS + round(chance.uniform(6, 9) * HOUR_MS)
    # One card in ten is in other hands: several large payments within minutes.
    stolen = chance.random() < 0.1
    for n in range(5 if stolen else 1):
        morning.append(payment_of(card, at_ms + n * 40_000, 20 if stolen else 1))

write("payments-day.tsv", "d", day)
write("payments-morning.tsv", "n", morning)
