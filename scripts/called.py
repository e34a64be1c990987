# SPDX-License-Identifier: MIT
"""Which external programs the code calls: of shell scripts, Makefile recipes and Python files, read without running them.

Not a shell: enough of its grammar to tell the word in a command's place from arguments, patterns, quotes and here
documents. What is called by a name that is only known when it runs is not seen.
"""

import ast
import functools
import os
import re
import subprocess

OPENERS = {"if", "then", "else", "elif", "do", "while", "until", "!", "time", "{", "("}
# Programs whose argument is a program: what stands behind their options, or behind "--".
WRAPPERS = {"exec", "command", "env", "nice", "xargs", "sudo", "timeout", "flock"}
NAME = re.compile(r"[a-z][a-z0-9_.+-]*")
ABSOLUTE = re.compile(r"(?<![\w/.$}])/(?:usr/)?s?bin/([a-z](?:[a-z0-9_.+-]*[a-z0-9+])?)")
# In a program that is a string of another one.
EMBEDDED = re.compile(r"""(?:run|Popen|check_output)\(\[["']([a-z][a-z0-9_.+-]*)["']""")
STARTERS = {"run", "Popen", "check_output", "check_call", "call", "Process", "which", "execvp", "execv", "succeeds"}


@functools.cache
def builtins():
    words = subprocess.run(["bash", "-c", "compgen -bk"], check=True, capture_output=True, text=True).stdout.split()
    return set(words) | {"in", "esac", "}", ")"}


def without_heredocs(text):
    lines, end = [], None
    for line in text.split("\n"):
        if end is not None:
            if line.strip() == end:
                end = None
            continue
        found = re.search(r"<<-?\s*(['\"]?)(\w+)\1", line)
        if found and "<<<" not in line:
            end = found[2]
        lines.append(line)
    return "\n".join(lines)


def closing(text, start, opener, closer):
    """The index behind the bracket that closes the one before start, quotes respected."""
    depth, at = 1, start
    while at < len(text) and depth:
        c = text[at]
        if c == "\\":
            at += 1
        elif c == "'":
            at = max(text.find("'", at + 1), at)
        elif c == opener:
            depth += 1
        elif c == closer:
            depth -= 1
        at += 1
    return at


class Shell:
    """commands: [(words, what ended the command)]. What is expanded is "$" in a word, a double quote stays in front."""

    def __init__(self, text):
        self.commands, self.word, self.words = [], None, []
        self.read(without_heredocs(text))

    def end_word(self):
        if self.word is not None:
            self.words.append(self.word)
        self.word = None

    def end_command(self, separator):
        self.end_word()
        self.commands.append((self.words, separator))
        self.words = []

    def add(self, text):
        self.word = (self.word or "") + text

    def substitution(self, text, at):
        """text[at] is "$" or a backquote: reads what it stands for; the index behind it."""
        if text.startswith("$((", at):
            end = closing(text, at + 2, "(", ")")
        elif text.startswith("$(", at):
            end = closing(text, at + 2, "(", ")")
            self.commands += Shell(text[at + 2:end - 1]).commands
        elif text.startswith("${", at):
            end = closing(text, at + 2, "{", "}")
        elif text[at] == "`":
            end = text.find("`", at + 1) + 1 or len(text)
            self.commands += Shell(text[at + 1:end - 1]).commands
        else:
            end = at + 1
        self.add("$")
        return end

    def double_quoted(self, text, at):
        self.add('"')
        while at < len(text) and text[at] != '"':
            if text[at] == "\\":
                at += 2
            elif text[at] in "$`":
                at = self.substitution(text, at)
            else:
                self.add(text[at])
                at += 1
        return at + 1

    def read(self, text):
        at = 0
        while at < len(text):
            c = text[at]
            if c == "\\":
                if not text.startswith("\\\n", at):
                    self.add(text[at + 1:at + 2])
                at += 2
            elif c == "'":
                end = text.find("'", at + 1)
                end = len(text) if end < 0 else end
                self.add(text[at + 1:end].replace("\n", "$").replace(" ", "$") or "$")
                at = end + 1
            elif c == '"':
                at = self.double_quoted(text, at + 1)
            elif c in "$`":
                at = self.substitution(text, at)
            elif c == "#" and self.word is None:
                at = text.find("\n", at)
                at = len(text) if at < 0 else at
            elif c in "<>":
                at = self.redirection(text, at)
            elif c in "\n;&|()":
                end = at + 1
                while end < len(text) and c in ";&|" and text[end] == c:
                    end += 1
                self.end_command(text[at:end])
                at = end
            elif c.isspace():
                self.end_word()
                at += 1
            else:
                self.add(c)
                at += 1
        self.end_command("")

    def redirection(self, text, at):
        """The file is a word of no command: skipped with the operator, but for <( and >( which hold commands."""
        if self.word and self.word.isdigit():
            self.word = None
        self.end_word()
        while at < len(text) and text[at] in "<>&":
            at += 1
        if text.startswith("(", at):
            end = closing(text, at + 1, "(", ")")
            self.commands += Shell(text[at + 1:end - 1]).commands
            self.add("$")
            return end
        while at < len(text) and text[at] in " \t":
            at += 1
        keep, self.word = self.word, None
        while at < len(text) and text[at] not in " \t\n;&|()<>":
            at = self.double_quoted(text, at + 1) if text[at] == '"' else self.substitution(text, at) if text[at] in "$`" else at + 1
        self.word = keep
        return at


def command_names(words):
    """The programs of one command's words: the first that is no assignment, and what a wrapper runs."""
    words = list(words)
    while words:
        word = words.pop(0)
        if word in OPENERS or re.match(r"\w+\+?=", word):
            continue
        yield word
        if "--" in words:
            words = words[words.index("--") + 1:]
        elif word in WRAPPERS:
            while words and (words[0].startswith("-") or re.fullmatch(r"[\d.$]*|/.*\.lock", words[0])):
                words.pop(0)
        elif word == "find" and "-exec" in words:
            words = words[words.index("-exec") + 1:]
        else:
            return


def functions_of(text):
    """{name: whether it runs its arguments}"""
    found = re.findall(r"^\s*(\w+)\s*\(\)\s*\{(.*?)(?:^\}|\}$)", text, re.M | re.S)
    return {name: re.search(r'(?:^|[;&|])\s*"\$@"', body, re.M) is not None for name, body in found}


def behind(words, own):
    """The program that a function is given to run: the first word that is neither quoted nor a function."""
    if own.get(words[0]):
        for word in words[1:]:
            if word not in own and not word.startswith('"'):
                return [word] if NAME.fullmatch(word) else []
    return []


def in_shell(text, functions=None):
    """The programs that a shell script calls by name. functions: those of what it sources."""
    own = {**(functions or {}), **functions_of(text)}
    found, pattern, cases, bracketed = set(), False, 0, False
    for words, separator in Shell(text).commands:
        if pattern:  # of a case: up to its ")"
            pattern = separator != ")"
            if "esac" not in words:
                continue
            pattern = False
        if "case" in words and "in" in words:
            cases, pattern = cases + 1, separator != ")"
            continue
        if "esac" in words:
            cases -= 1
        pattern = cases > 0 and separator == ";;"
        if words and words[0] in own:
            found |= set(behind(words, own)) - builtins()
        bracketed = bracketed or "[[" in words
        for name in () if bracketed else command_names(words):
            if NAME.fullmatch(name) and name not in own and name not in builtins():
                found.add(name)
        bracketed = bracketed and "]]" not in words
    return found | set(ABSOLUTE.findall(text))


def in_makefile(text):
    whole = text
    variables = dict(re.findall(r"^(\w+)\s*[?:]?=\s*([\w-]+)\s*$", text, re.M)) | {"MAKE": "make"}
    recipes = "\n".join(re.sub(r"^\t[@+-]*", "", line) for line in text.replace("\\\n", " ").split("\n")
                        if line.startswith("\t"))
    shells = "\n".join(text[m.end():closing(text, m.end(), "(", ")") - 1] for m in re.finditer(r"\$\(shell ", text))
    text = re.sub(r"\$\((\w+)\)", lambda found: variables.get(found[1], "/variable"), recipes + "\n" + shells)
    return in_shell(re.sub(r"\$\([^()]*(?:\([^()]*\)[^()]*)*\)", "/variable", text).replace("$$", "$")) | set(
        ABSOLUTE.findall(whole))


class Python(ast.NodeVisitor):
    def __init__(self, known):
        self.known, self.found, self.assigned = known, set(), {}

    def take(self, node, certain):
        if isinstance(node, ast.Name):
            node = self.assigned.get(node.id)
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            name = node.value
            if NAME.fullmatch(name) and (certain or name in self.known):
                self.found.add(name)
        elif isinstance(node, ast.JoinedStr) and (found := re.search(r"/([a-z][a-z0-9_.+-]*)$", ast.unparse(node)[:-1])):
            self.found |= {found[1]} & set(self.known)

    def visit_Call(self, node):
        name = getattr(node.func, "attr", getattr(node.func, "id", None))
        if name in STARTERS and node.args:
            first = node.args[0]
            if isinstance(first, ast.Name):
                first = self.assigned.get(first.id, first)
            of_list = isinstance(first, (ast.List, ast.Tuple)) and first.elts
            self.take(first.elts[0] if of_list else first,
                      certain=bool(of_list) or name == "which" or isinstance(node.func, ast.Name))
        self.generic_visit(node)

    def visit_Assign(self, node):
        for target in node.targets:
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            for name, value in zip(target.elts, node.value.elts) if several else [(target, node.value)]:
                if isinstance(name, ast.Name) and isinstance(value, (ast.List, ast.Constant)):
                    self.assigned[name.id] = value
                self.take(value, certain=False)
        self.generic_visit(node)

    def visit_List(self, node):
        texts = [e.value if isinstance(e, ast.Constant) else None for e in node.elts]
        if node.elts:
            self.take(node.elts[0], certain=False)
        if "--" in texts[:-1]:
            self.take(node.elts[texts.index("--") + 1], certain=False)
        if texts and texts[0] in ("sh", "bash") and "-c" in texts[:-1]:
            self.script(node.elts[texts.index("-c") + 1])
        self.generic_visit(node)

    def script(self, node):
        parts = node.values if isinstance(node, ast.JoinedStr) else [node]
        self.found |= in_shell("".join(p.value if isinstance(p, ast.Constant) else "/variable" for p in parts))


def in_python(text, known=()):
    """What subprocess and the like are given; a list elsewhere counts when it begins with a program's name."""
    reader = Python(known)
    reader.visit(ast.parse(text))
    reader.found |= set(EMBEDDED.findall(text))
    return reader.found | set(ABSOLUTE.findall(text))


def in_file(path, known=(), functions=None):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    first = text.split("\n", 1)[0]
    if os.path.basename(path) == "Makefile":
        return in_makefile(text)
    if path.endswith(".py") or "python3" in first:
        return in_python(text, known)
    return in_shell(text, functions)
