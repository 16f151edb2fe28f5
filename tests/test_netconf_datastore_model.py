"""Random sequences of edits against the simplest model there is: a dictionary."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from netconf_example import SCHEMA, config

from toolkit.netconf.datastore import EMPTY, edit
from toolkit.netconf.names import ErrorOption, Operation

Model = dict[str, dict[str, str]]
"""User name -> the leaves type and full-name that they have."""

names = st.sampled_from(["ann", "bob", "cy"])
operations = st.sampled_from([o for o in Operation if o is not Operation.NONE])
leaves = st.dictionaries(
    st.sampled_from(["type", "full-name"]),
    st.tuples(st.sampled_from(["1", "2"]), st.none() | operations),
    max_size=2,
)
edits = st.tuples(names, st.none() | operations, leaves)


def xml(name, operation, changes):
    def attribute(o):
        return f' nc:operation="{o}"' if o else ""

    inner = "".join(f"<{k}{attribute(o)}>{v}</{k}>" for k, (v, o) in changes.items())
    user = f"<user{attribute(operation)}><name>{name}</name>{inner}</user>"
    return config(f"<users>{user}</users>")


def expected(model: Model, default, name, operation, changes) -> tuple[Model, bool]:
    """Return what RFC 6241 section 7.2 makes of the model, and whether all of it was in order."""
    model = {key: dict(value) for key, value in model.items()}
    ok = True
    operation = operation or default
    if operation in (Operation.DELETE, Operation.REMOVE):
        ok = name in model or operation is Operation.REMOVE
        model.pop(name, None)
        return model, ok
    if operation is Operation.CREATE and name in model:
        return model, False
    if operation is Operation.NONE and name not in model:
        return model, False
    user = {} if operation in (Operation.CREATE, Operation.REPLACE) else model.get(name, {})
    for key, (value, own) in changes.items():
        match own or operation:
            case Operation.MERGE | Operation.REPLACE:
                user[key] = value
            case Operation.CREATE:
                ok = ok and key not in user
                user.setdefault(key, value)
            case Operation.DELETE:
                ok = ok and key in user
                user.pop(key, None)
            case Operation.REMOVE:
                user.pop(key, None)
            case Operation.NONE:
                ok = ok and key in user
    model[name] = user
    return model, ok


def read(tree) -> Model:
    found: Model = {}
    for top in tree.children:
        for user in top.children[0].children if top.children else ():
            values = {c.name.local: c.value for c in user.children}
            found[values.pop("name")] = values
    return found


@given(st.lists(st.tuples(edits, st.sampled_from([Operation.MERGE, Operation.NONE])), max_size=12))
def test_any_sequence_of_edits_is_what_the_model_says(sequence):
    tree, model = EMPTY, {}
    for change, default in sequence:
        edited = edit(
            SCHEMA, tree, xml(*change), default=default, error_option=ErrorOption.CONTINUE
        )
        model, ok = expected(model, default, *change)
        tree = edited.tree
        assert read(tree) == model
        assert (edited.errors == ()) is ok
