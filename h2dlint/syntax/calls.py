"""Changing a call while its comments and its layout stay."""

from __future__ import annotations

from collections.abc import Sequence

import libcst as cst

from h2dlint.model import Edit, Span
from h2dlint.syntax.source import SourceText


class CannotRewrite(Exception):
    """The change would lose a comment or has no place to go."""


def _whitespace(arg: cst.Arg) -> list[cst.BaseParenthesizableWhitespace]:
    found: list[cst.BaseParenthesizableWhitespace] = [arg.whitespace_after_arg]
    if isinstance(arg.comma, cst.Comma):
        found += [arg.comma.whitespace_before, arg.comma.whitespace_after]
    return found


def has_comment(node: cst.CSTNode) -> bool:
    """A comment stands anywhere in the node."""
    if isinstance(node, cst.Comment):
        return True
    return any(has_comment(child) for child in node.children)


def _bare(space: cst.BaseParenthesizableWhitespace) -> cst.BaseParenthesizableWhitespace:
    """The same line break and indentation without comments and empty lines."""
    if isinstance(space, cst.ParenthesizedWhitespace):
        first = cst.TrailingWhitespace(newline=space.first_line.newline)
        return space.with_changes(first_line=first, empty_lines=[])
    return cst.SimpleWhitespace(space.value) if isinstance(space, cst.SimpleWhitespace) else space


def _multiline(space: cst.BaseParenthesizableWhitespace) -> bool:
    return isinstance(space, cst.ParenthesizedWhitespace)


def keyword(name: str, value: cst.BaseExpression) -> cst.Arg:
    """``name=value``, spaced as PEP 8 wants it."""
    tight = cst.SimpleWhitespace("")
    return cst.Arg(
        keyword=cst.Name(name),
        value=value,
        equal=cst.AssignEqual(whitespace_before=tight, whitespace_after=tight),
    )


def find(call: cst.Call, name: str) -> int | None:
    """Index of a keyword argument."""
    for index, arg in enumerate(call.args):
        if arg.keyword is not None and arg.keyword.value == name:
            return index
    return None


def remove(call: cst.Call, index: int) -> cst.Call:
    """Drop an argument.

    Raises:
        CannotRewrite: a comment would go with it.
    """
    args = list(call.args)
    gone = args.pop(index)
    if any(has_comment(space) for space in _whitespace(gone)):
        raise CannotRewrite("a comment stands beside the argument")
    if index == len(args) and args:
        args[-1] = _end_as(args[-1], gone)
    if not args:
        return call.with_changes(args=args, whitespace_before_args=_tight_if_empty(call))
    return call.with_changes(args=args)


def _end_as(last: cst.Arg, gone: cst.Arg) -> cst.Arg:
    """``last`` as the new end of the arguments, laid out as ``gone`` was; a comment behind it stays."""
    ended = last.with_changes(comma=gone.comma, whitespace_after_arg=gone.whitespace_after_arg)
    if not any(has_comment(space) for space in _whitespace(last)):
        return ended
    if not (isinstance(last.comma, cst.Comma) and isinstance(gone.comma, cst.Comma)):
        raise CannotRewrite("a comment stands beside the argument")
    old, new = last.comma.whitespace_after, gone.comma.whitespace_after
    before = (last.whitespace_after_arg, last.comma.whitespace_before)
    if any(map(has_comment, before)) or not (
        isinstance(old, cst.ParenthesizedWhitespace) and isinstance(new, cst.ParenthesizedWhitespace)
    ):
        raise CannotRewrite("a comment stands beside the argument")
    after = new.with_changes(first_line=old.first_line, empty_lines=old.empty_lines)
    return ended.with_changes(comma=gone.comma.with_changes(whitespace_after=after))


def _tight_if_empty(call: cst.Call) -> cst.BaseParenthesizableWhitespace:
    if has_comment(call.whitespace_before_args):
        return call.whitespace_before_args
    return cst.SimpleWhitespace("")


def replace(call: cst.Call, index: int, arg: cst.Arg) -> cst.Call:
    """Put another argument in the place of one: its comma, line break and comments stay."""
    args = list(call.args)
    old = args[index]
    args[index] = arg.with_changes(comma=old.comma, whitespace_after_arg=old.whitespace_after_arg)
    return call.with_changes(args=args)


def append(call: cst.Call, arg: cst.Arg) -> cst.Call:
    """Add an argument at the end, laid out as the others are."""
    args = list(call.args)
    if not args:
        return call.with_changes(args=[arg])
    last = args[-1]
    separator: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
    if len(args) > 1 and isinstance(args[-2].comma, cst.Comma):
        separator = _bare(args[-2].comma.whitespace_after)
    elif (
        isinstance(last.comma, cst.Comma)
        and _multiline(last.comma.whitespace_after)
        and _multiline(call.whitespace_before_args)
    ):
        separator = _bare(call.whitespace_before_args)
    if isinstance(last.comma, cst.Comma):
        trailing = last.comma
        if has_comment(trailing.whitespace_after):
            # The comment after the last comma stays with the argument that it follows.
            if not isinstance(trailing.whitespace_after, cst.ParenthesizedWhitespace):
                raise CannotRewrite("a comment stands after the last argument")
            if trailing.whitespace_after.empty_lines or not isinstance(
                separator, cst.ParenthesizedWhitespace
            ):
                raise CannotRewrite("a comment stands after the last argument")
            separator = separator.with_changes(first_line=trailing.whitespace_after.first_line)
            trailing = trailing.with_changes(whitespace_after=_bare(trailing.whitespace_after))
        args[-1] = last.with_changes(comma=cst.Comma(whitespace_after=separator))
        args.append(arg.with_changes(comma=trailing, whitespace_after_arg=last.whitespace_after_arg))
    else:
        after = last.whitespace_after_arg
        if has_comment(after):
            # It stays with the argument that it follows.
            if not isinstance(after, cst.ParenthesizedWhitespace) or after.empty_lines:
                raise CannotRewrite("a comment stands after the last argument")
            if not isinstance(call.whitespace_before_args, cst.ParenthesizedWhitespace):
                raise CannotRewrite("a comment stands after the last argument")
            separator = _bare(call.whitespace_before_args).with_changes(first_line=after.first_line)
            last = last.with_changes(whitespace_after_arg=_bare(after))
        args[-1] = last.with_changes(
            comma=cst.Comma(whitespace_after=separator), whitespace_after_arg=cst.SimpleWhitespace("")
        )
        args.append(arg.with_changes(whitespace_after_arg=last.whitespace_after_arg))
    return call.with_changes(args=args)


def swap(call: cst.Call, index: int, arg: cst.Arg) -> cst.Call:
    """Drop one argument and add another: at the end, or in its place where a comment or the end is."""
    if index == len(call.args) - 1:
        return replace(call, index, arg)
    try:
        return append(remove(call, index), arg)
    except CannotRewrite:
        return replace(call, index, arg)


def set_keyword(call: cst.Call, name: str, value: cst.BaseExpression) -> cst.Call:
    """Give a keyword argument a value, in place where it is there already."""
    index = find(call, name)
    arg = keyword(name, value)
    return append(call, arg) if index is None else replace(call, index, arg)


def method_call(receiver: cst.BaseExpression, method: str, args: Sequence[cst.Arg] = ()) -> cst.Call:
    """``receiver.method(args)``."""
    spaced = [
        arg.with_changes(
            comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))
            if position < len(args) - 1
            else cst.MaybeSentinel.DEFAULT,
            whitespace_after_arg=cst.SimpleWhitespace(""),
        )
        for position, arg in enumerate(args)
    ]
    attribute = cst.Attribute(value=receiver, attr=cst.Name(method))
    return cst.Call(func=attribute, args=spaced)


def chain(call: cst.Call, method: str) -> cst.Call:
    """``a.b(..)`` as ``a.method().b(..)``: on a line of its own where ``b`` is on one.

    A comment at the end of the line of ``a`` stays there, comment lines above ``b`` stay above ``b``.
    """
    func = call.func
    assert isinstance(func, cst.Attribute)
    mine = theirs = func.dot
    space = func.dot.whitespace_before
    if isinstance(space, cst.ParenthesizedWhitespace):
        mine = mine.with_changes(whitespace_before=space.with_changes(empty_lines=[]))
        own = _bare(space).with_changes(empty_lines=space.empty_lines)
        theirs = theirs.with_changes(whitespace_before=own)
    if has_comment(func.dot.whitespace_after):
        raise CannotRewrite("a comment stands behind the dot")
    inner = cst.Call(func=cst.Attribute(value=func.value, attr=cst.Name(method), dot=mine))
    return call.with_changes(func=func.with_changes(value=inner, dot=theirs))


def plain(expression: cst.BaseExpression) -> cst.BaseExpression:
    """An expression on its way into another call.

    Raises:
        CannotRewrite: it holds a comment, which must stay where it is.
    """
    if has_comment(expression):
        raise CannotRewrite("a comment stands inside the argument")
    return expression


def minimal_edit(source: SourceText, span: Span, new: str) -> Edit | None:
    """The smallest single edit that makes the text of ``span`` into ``new``; ``None`` if nothing changes."""
    old = source.slice(span)
    if old == new:
        return None
    # Whole words: an edit that starts inside a name is right but unreadable in a diff.
    start = 0
    while start < min(len(old), len(new)) and old[start] == new[start]:
        start += 1
    while start and _in_word(old, start) | _in_word(new, start):
        start -= 1
    end = 0
    while end < min(len(old), len(new)) - start and old[-1 - end] == new[-1 - end]:
        end += 1
    while end and _in_word(old, len(old) - end) | _in_word(new, len(new) - end):
        end -= 1
    if start and old[start - 1] == "\r":
        start -= 1
    base = source.offset(span.line, span.column)
    first, last = base + start, base + len(old) - end
    return Edit(
        Span(*source.position(first), *source.position(last)),
        new[start : len(new) - end],
    )


def _in_word(text: str, index: int) -> bool:
    """Both neighbours of an index belong to one name or number."""
    return 0 < index < len(text) and all(c.isalnum() or c in "_." for c in text[index - 1 : index + 1])
