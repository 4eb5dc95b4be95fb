"""Accounts of every kind, in many scripts, up to the longest."""

from datetime import timedelta, timezone

from tests.migrations.rows import Losses, Rows, id_, moment
from tests.service import PASSWORD, Account, Service

# Hashes of PASSWORD by both supported hashers.
ARGON2 = (
    "$argon2id$v=19$m=64,t=1,p=1$1tm3psp0RCULg9MQsl96vg$JIt0V03Fc3kKyr+ugQOXkWonaakigcBbrbU8/qB3Nhg"
)
BCRYPT = "$2b$04$8D4bxkBfLC8byEf9plU28OfBlnTLLd7Ho6Qu1mPFHxPNwjwsEN5o2"
LONGEST = "l" * 64 + "@" + ".".join(["d" * 63] * 4)  # 320 characters


def user(number: int, email: str, key: str, **values: object) -> dict[str, object]:
    return {
        "id": id_(number),
        "email": email,
        "email_key": key,
        "hashed_password": ARGON2,
        "is_active": True,
        "is_superuser": False,
        "is_verified": False,
        "created_at": moment(2026, 123_456),
    } | values


ROWS: Rows = {
    "user_account": [
        user(1, "Arthur@camelot.bt", "arthur@camelot.bt", is_superuser=True, is_verified=True),
        user(2, "lancelot@camelot.bt", "lancelot@camelot.bt", hashed_password=BCRYPT),
        user(
            3,
            "mordred@camelot.bt",
            "mordred@camelot.bt",
            is_active=False,
            created_at=moment(2026).astimezone(timezone(timedelta(hours=-3))),
        ),
        user(4, "José@camelot.bt", "josé@camelot.bt"),
        user(5, "jose@camelot.bt", "jose@camelot.bt"),
        user(6, "🗡️@camelot.bt", "🗡️@camelot.bt", created_at=moment(2039, 999_999)),
        user(7, LONGEST, LONGEST, hashed_password="x" * 255, created_at=moment(1970, 1)),
        user(8, "x' OR 1=1;--%s:n\\@camelot.bt", "x' or 1=1;--%s:n\\@camelot.bt"),
    ]
}
LOSES: Losses = {"user_account": None}

ARTHUR = Account(str(id_(1)), "Arthur@camelot.bt")


def read_back(service: Service) -> None:
    for number, address in ((1, "ARTHUR@camelot.bt"), (2, "lancelot@camelot.bt")):
        headers = service.login(Account(str(id_(number)), address))
        assert service.client.get("/users/me", headers=headers).json()["id"] == str(id_(number))
    assert service.try_login("mordred@camelot.bt", PASSWORD).status_code == 400
    admin = service.login(ARTHUR)
    for row in ROWS["user_account"]:
        found = service.client.get(f"/users/{row['id']}", headers=admin)
        shown = {"id": str(row["id"]), "email": row["email"]}
        assert found.json().items() >= (shown | {"is_active": row["is_active"]}).items()
