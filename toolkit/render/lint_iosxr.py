from collections.abc import Iterator
from toolkit.render.remark import Remark
from toolkit.state.branch import Branch
def lint(root: Branch) -> Iterator[Remark]:
    yield from ()
