"""Checks the Julia package without Julia: every .jl file is parsed with a grammar of the language, and every struct,
constant and @ccall is compared with include/rct.h, which is parsed with a grammar of C.

    python check_abi.py [package folder] [header]

What it compares: names, field order and field types of structs; enum constants and the ABI number; name, number and
types of the arguments, and result, of each call and callback; that every function of the header is called somewhere.

And what only running would show otherwise: that no exported name is one of another package's, or missing; that every
call that can call back is made on a task that stays on its thread; and what becomes of the library's sentences.
"""

import re
import sys
from functools import partial
from pathlib import Path

import tree_sitter_c
import tree_sitter_julia
from tree_sitter import Language, Parser

HERE = Path(__file__).resolve().parent
C, JULIA = Parser(Language(tree_sitter_c.language())), Parser(Language(tree_sitter_julia.language()))

SCALARS = {
    "size_t": "Csize_t", "ptrdiff_t": "Cptrdiff_t", "int32_t": "Int32", "uint32_t": "UInt32", "int64_t": "Int64",
    "uint64_t": "UInt64", "uint8_t": "UInt8", "double": "Cdouble", "void": "Cvoid",
}
CALLS = ("@ccall", "@long_ccall")
GROUPS = ("METRIC", "KERNEL", "CONSTRUCTION", "ORDERING", "TRAVERSAL", "INDUCING", "LENGTHSCALE")

# What must be called in the block of one of these: all that can call back.
HOLDERS = ("with_tree", "controlled", "loaded", "neighbors", "pairs_of")
HELD = {
    "disable_sigint": ("on_this_thread",),
    **dict.fromkeys(("rct_distances", "rct_correlations", "rct_residual_covariances"), HOLDERS),
}


def text(node):
    return node.text.decode()


def walk(node):
    yield node
    for child in node.children:
        yield from walk(child)


def syntax_errors(root, path):
    return [f"{path}:{node.start_point[0] + 1}: does not parse" for node in walk(root)
            if node.type == "ERROR" or node.is_missing or is_stray_end(node)]


def is_stray_end(node):
    """The grammar of Julia takes an `end` too many for a name, which it is only in brackets."""
    if node.type != "identifier" or node.text != b"end":
        return False
    while node and node.type != "index_expression":
        node = node.parent
    return node is None


class Header:
    """Structs as {name: [(field, Julia type)]}, functions as {name: ([types], result)}, enum constants."""

    def __init__(self, source):
        source = re.sub(rb"#ifdef __cplusplus.*?#endif", lambda m: b"\n" * m[0].count(b"\n"), source, flags=re.S)
        root = C.parse(source).root_node
        self.errors = syntax_errors(root, "rct.h")
        nodes = list(walk(root))
        self.constants = {text(e.child_by_field_name("name")): int(text(e.child_by_field_name("value")))
                          for e in nodes if e.type == "enumerator"}
        self.constants["RCT_ABI_VERSION"] = int(re.search(rb"#define RCT_ABI_VERSION (\d+)", source)[1])
        self.callbacks = {}
        self.opaque = {m.decode() for m in re.findall(rb"typedef struct (rct_\w+) \1;", source)}
        self.structs, self.fields_of_callbacks, self.functions = {}, {}, {}
        for node in nodes:
            if node.type == "type_definition" and b"_fn)(" in node.text:
                self.callback(node)
        for node in nodes:
            if node.type == "struct_specifier" and node.child_by_field_name("body"):
                fields = [f for f in node.child_by_field_name("body").children if f.type == "field_declaration"]
                self.structs[text(node.child_by_field_name("name"))] = [
                    (name, "Ptr{UInt8}" if kind == "Ptr{char}" else kind) for name, kind in map(self.declared, fields)]
                self.fields_of_callbacks |= {self.declared(f)[0]: self.callbacks[text(f.child_by_field_name("type"))]
                                             for f in fields if text(f.child_by_field_name("type")) in self.callbacks}
            elif node.type == "declaration" and "static" not in text(node):
                self.function(node)

    def callback(self, node):
        declarator = node.child_by_field_name("declarator")
        name = re.search(r"rct_\w+_fn", text(declarator.child_by_field_name("declarator")))[0]
        parameters = [p for p in declarator.child_by_field_name("parameters").children
                      if p.type == "parameter_declaration"]
        result = self.type(text(node.child_by_field_name("type")), 0)
        self.callbacks[name] = ([self.declared(p)[1] for p in parameters], result)

    def function(self, node):
        declarator, pointers = self.unwrap(node.child_by_field_name("declarator"))
        if declarator.type != "function_declarator":
            return
        parameters = [p for p in declarator.child_by_field_name("parameters").children
                      if p.type == "parameter_declaration" and text(p) != "void"]
        result = self.type(text(node.child_by_field_name("type")), pointers)
        types = [self.declared(p)[1] for p in parameters] + [result]
        *types, result = ["Cstring" if t == "Ptr{char}" else t for t in types]
        self.functions[text(declarator.child_by_field_name("declarator"))] = (types, result)

    def declared(self, node):
        """Name and Julia type of a field or parameter."""
        declarator, pointers = self.unwrap(node.child_by_field_name("declarator"))
        return text(declarator), self.type(text(node.child_by_field_name("type")), pointers)

    @staticmethod
    def unwrap(declarator):
        pointers = 0
        while declarator.type == "pointer_declarator":
            pointers, declarator = pointers + 1, declarator.child_by_field_name("declarator")
        return declarator, pointers

    def type(self, name, pointers):
        name = re.sub(r"^(struct|enum) ", "", name)
        name = "Cint" if name == "rct_status" else "Ptr{Cvoid}" if name in self.callbacks else SCALARS.get(name, name)
        for _ in range(pointers):
            name = f"Ptr{{{name}}}"
        return name


class Package:
    """The same of the .jl files: structs, constants, calls and callbacks as (place, name, [types], result)."""

    def __init__(self, folder):
        self.errors, self.structs, self.constants, self.calls, self.callbacks = [], {}, {}, [], []
        self.exported, self.defined = set(), set()
        files = sorted(Path(folder).rglob("*.jl"))
        if not files:
            self.errors.append(f"no .jl file in {folder}")
        for path in files:
            source = path.read_bytes()
            root = JULIA.parse(source).root_node
            self.errors += syntax_errors(root, path.name)
            self.exported |= {text(name) for node in walk(root) if node.type == "export_statement"
                              for name in node.named_children}
            self.defined |= set(re.findall(r"^(?:function |(?:mutable )?struct |)(\w+!?)[({\s]", source.decode(), re.M))
            self.errors += [f"{path.name}:{node.start_point[0] + 1}: a call that can call back may change its thread"
                            for node in walk(root) if node.type == "call_expression" and not is_held(node)]
            for node in walk(root):
                if node.type == "struct_definition":
                    self.struct(node)
                elif node.type == "const_statement":
                    self.constant(node)
                elif node.type == "macrocall_expression" and text(node.children[0]) in CALLS:
                    self.call(path, node)
            for match in re.finditer(r"\.(\w+) = @cfunction\((\w+), (\w+),\s*\(([^()]*)\)\)", source.decode()):
                types = [t.strip() for t in match[4].split(",") if t.strip()]
                self.callbacks.append((path.name, match[1], types, match[3]))
            # A call that the grammar shows in another form must not go unseen.
            code = re.sub(rb"#[^\n]*|\"\"\".*?\"\"\"", b"", source, flags=re.S)
            written = len(re.findall(rb"librct\.rct_\w+\(", code))
            seen = sum(place.startswith(f"{path.name}:") for place, *_ in self.calls)
            if len(re.findall(rb"@cfunction", code)) != sum(place == path.name for place, *_ in self.callbacks):
                self.errors.append(f"{path.name}: an @cfunction was not understood")
            if written != seen:
                self.errors.append(f"{path.name}: {written} calls of the library, of which {seen} were understood")

    def struct(self, node):
        name = re.match(r"(?:mutable\s+)?struct\s+(\w+)", text(node))[1]
        fields = [f for f in node.named_children if f.type == "typed_expression"]
        fields += [f for block in node.named_children if block.type == "block" for f in block.named_children
                   if f.type == "typed_expression"]
        self.structs[name] = [tuple(text(part) for part in f.named_children) for f in fields]

    def constant(self, node):
        match = re.match(r"const\s+(\w+)\s*=\s*(.*)", text(node), re.S)
        if match is None:
            return
        name, value = match[1], match[2].strip()
        if value.isdigit():
            self.constants[name] = int(value)
        elif name in GROUPS:
            for key, number in re.findall(r"(\w+) = (\d+)", value):
                self.constants[f"RCT_{name}_{key.upper()}"] = int(number)

    def call(self, path, node):
        place = f"{path.name}:{node.start_point[0] + 1}"
        typed = [n for n in walk(node) if n.type == "typed_expression"]
        calls = [n for n in walk(node) if n.type == "call_expression" and text(n).startswith("librct.")]
        if len(calls) != 1:
            return  # the definition of the macro itself, or no call of the library
        call = calls[0]
        name = text(call.named_children[0]).removeprefix("librct.")
        result = next(text(n.named_children[1]) for n in typed if n.named_children[0] == call)
        arguments = next(n for n in call.named_children if n.type == "argument_list").named_children
        types = [text(a.named_children[-1]) if a.type == "typed_expression" else f"untyped {text(a)}"
                 for a in arguments]
        self.calls.append((place, name, types, result))


def is_held(call):
    """Whether a call that can call back stands in what is given to one of the functions that hold it to its thread."""
    name = text(call.named_children[0]).removeprefix("librct.")
    if name not in HELD and not (name.startswith("rct_") and "control::Ref{rct_control}" in text(call)):
        return True
    while call := call.parent:
        if call.type == "call_expression" and text(call.named_children[0]) in HELD.get(name, HOLDERS):
            return True
    return name == "rct_control_init"


def clashes(package):
    """What is wrong with the exported names."""
    for name in sorted(package.exported):
        if name not in package.defined:
            yield f"{name} is exported, but not defined"
        for taken in (HERE / "taken_names.txt").read_text().replace("\n  ", " ").splitlines():
            module, _, names = taken.partition(": ")
            if name in names.split():
                yield f"{name} is exported, and by {module} too"
        if name.islower() and "_" not in name:
            yield f"{name} is exported, a name of one word, which other packages have or will have"


class Words:
    """`in_julia` of words.jl, carried out in Python: the regular expressions mean the same in both."""

    def __init__(self, folder):
        source = (Path(folder) / "src/words.jl").read_text()
        table = source[source.index("const WORDS"):source.index("\n]\n")]
        self.words = [(re.compile(pattern), words.replace("\\\\", "\\"))
                      for pattern, words in re.findall(r'^    r"(.*)" =>\s+"(.*)",$', table, re.M)]
        transposed = source[source.index("const TRANSPOSED"):].split("\n", 1)[0]
        self.transposed = dict(re.findall(r'"(\w+)" => "(\w+)"', transposed))

    def __call__(self, message):
        for pattern, words in self.words:
            message = pattern.sub(partial(self.filled, words), message)
        return re.sub(r"\b(rows?|columns?)\b", lambda word: self.transposed[word[1]], message)

    @staticmethod
    def filled(words, found):
        return re.sub(r"\\(\d)|\{(\d)\}",
                      lambda hole: found[int(hole[1])] if hole[1] else str(int(found[int(hole[2])]) + 1), words)


def same(given, wanted):
    """Whether a Julia argument type passes what C wants: Ref{T} is a pointer that Julia keeps alive."""
    return given == wanted or re.sub(r"^Ref\{", "Ptr{", given) == wanted


def check(folder=HERE / "ResidualCoverTree.jl", header=HERE.parents[1] / "include/rct.h"):
    """All differences, as sentences, and what was compared."""
    c, julia = Header(Path(header).read_bytes()), Package(folder)
    found = c.errors + julia.errors + list(clashes(julia))
    for name, fields in c.structs.items():
        if name not in julia.structs:
            found.append(f"struct {name} is missing")
        elif julia.structs[name] != fields:
            found.append(f"struct {name} is {julia.structs[name]}; in C it is {fields}")
    for name, fields in julia.structs.items():
        if name.startswith("rct_") and name not in c.structs and (name not in c.opaque or fields):
            found.append(f"struct {name} is not in the header")
    for name, value in julia.constants.items():
        if name.startswith("RCT_") and c.constants.get(name) != value:
            found.append(f"{name} is {value}; in C it is {c.constants.get(name)}")
    for name in c.constants:
        if name.split("_")[1] in GROUPS and name not in julia.constants:
            found.append(f"{name} is missing")
    if "RCT_ABI_VERSION" not in julia.constants:
        found.append("RCT_ABI_VERSION is missing")
    for place, name, types, result in julia.calls:
        if name not in c.functions:
            found.append(f"{place}: the header has no {name}")
            continue
        wanted, returned = c.functions[name]
        if len(types) != len(wanted):
            found.append(f"{place}: {name} is called with {len(types)} arguments; it takes {len(wanted)}")
        for position, (given, want) in enumerate(zip(types, wanted)):
            if not same(given, want):
                found.append(f"{place}: argument {position + 1} of {name} is {given}; in C it is {want}")
        if result != returned:
            found.append(f"{place}: {name} returns {result}; in C it is {returned}")
    for place, field, types, result in julia.callbacks:
        if c.fields_of_callbacks.get(field) != (types, result):
            found.append(f"{place}: the callback {field} is {(types, result)}; in C {c.fields_of_callbacks.get(field)}")
    found += [f"no callback for {field}" for field in c.fields_of_callbacks if field not in
              {callback[1] for callback in julia.callbacks}]
    found += [f"{name} is never called" for name in c.functions if name not in {call[1] for call in julia.calls}]
    counts = {"calls": julia.calls, "callbacks": julia.callbacks, "structs": c.structs, "constants": julia.constants}
    return found, ", ".join(f"{len(items)} {name}" for name, items in counts.items())


if __name__ == "__main__":
    differences, compared = check(*sys.argv[1:])
    print("\n".join(differences) or f"the Julia package fits include/rct.h: {compared}")
    sys.exit(bool(differences))
