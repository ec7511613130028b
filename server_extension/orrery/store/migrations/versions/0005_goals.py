"""Goals of metrics that nobody chose: of a loss or an error less is better

They were stored as "maximize" before a metric's name told its goal. Whether somebody chose that of a loss was not
noted; whoever did sets it again.
"""

from __future__ import annotations

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

#: as `orrery.domain.goals` had it when this was written
LOWER_IS_BETTER = re.compile(
    r"(^|[_\-. /])(loss|logloss|nll|error|err|mae|mse|rmse|msle|rmsle|mape|smape|perplexity|ppl|wer|cer|deviance"
    r"|brier|fid|duration|seconds|latency)($|[_\-. /@0-9])",
    re.IGNORECASE,
)
RESOURCES = sa.table("resources", sa.column("id"), sa.column("kind"), sa.column("spec"), sa.column("etag"))


def upgrade() -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.select(RESOURCES.c.id, RESOURCES.c.spec).where(RESOURCES.c.kind == "algorithm"))
    for id, text in rows.all():
        spec = json.loads(text)
        guessed = [
            metric
            for metric in spec.get("metrics") or ()
            if metric.get("goal") == "maximize" and LOWER_IS_BETTER.search(metric["name"])
        ]
        for metric in guessed:
            metric["goal"] = "minimize"
        if guessed:
            written = json.dumps(spec, separators=(",", ":"), ensure_ascii=False)
            changed = {"spec": written, "etag": RESOURCES.c.etag + 1}
            connection.execute(sa.update(RESOURCES).where(RESOURCES.c.id == id).values(changed))


def downgrade() -> None:
    """What they were is not known; they stay."""
