#!/usr/bin/python3
"""What holds for all pages of the documentation, and needs no command of theirs to be run.

    pages_test.py BUILD-FOLDER MAYFLY

The commands themselves are run by the scripts beside this one, and by those of tests/clients.
"""

import json
import re
import subprocess
import sys
import tempfile
import unittest
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
# Blocks that no test can run. Few, and each says why.
MOST_NOT_RUN = 9
LANGUAGES = {"", "c", "cmake", "go", "java", "mermaid", "nginx", "python", "sh", "toml", "yaml"}


def name_of(page):
    return str(page.relative_to(ROOT))


def blocks(page):
    """The fenced blocks of a page: line, language, the line before, the lines."""
    found, before, fence = [], "", None
    for number, line in enumerate(page.read_text().splitlines(), 1):
        if fence is None and line.startswith("```"):
            fence = (number, line[3:], before, [])
        elif fence is not None and line == "```":
            found.append(fence)
            fence = None
        elif fence is not None:
            fence[3].append(line)
        before = line
    assert fence is None, f"{name_of(page)}: a block has no end"
    return found


def prose(page):
    """The page without its blocks."""
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.M | re.S)


def spans(page):
    return re.findall(r"`([^`\n]+)`", prose(page))


def anchors(page):
    """The names of a page's headings, as the sites that show it make them."""
    heads = re.findall(r"^#+ (.*)$", prose(page), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@cache
def tests():
    """The names of all tests that ctest knows."""
    answer = subprocess.run(["ctest", "--show-only=json-v1"], cwd=BUILD, capture_output=True, check=True)
    return [test["name"] for test in json.loads(answer.stdout)["tests"]]


@cache
def help_of(*command):
    """What a subcommand says of itself; nothing if there is none such."""
    answer = subprocess.run([MAYFLY, *command, "--help"], capture_output=True, text=True, check=False)
    return answer.stdout if answer.returncode == 0 else ""


@cache
def subcommands(*command):
    part = help_of(*command).partition("\nSubcommands:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^  (\w+)", part, flags=re.M))


def options_of(*command):
    return set(re.findall(r"--[a-z][a-z0-9-]*", help_of(*command)))


class Commands(unittest.TestCase):
    def test_are_all_run(self):
        not_run = []
        for page in PAGES:
            marked = [f"{name_of(page)}:{line}: {before}" for line, language, before, _ in blocks(page)
                      if language == "sh" and before.startswith("<!-- not run: ")]
            not_run += marked
            shown = [line for line, language, _, _ in blocks(page) if language == "sh"]
            if len(shown) == len(marked):
                continue
            # The script that runs them, and itself sees to it that it has run them all.
            if page.parent.name == "clients":
                scripts = [script for script in (ROOT / "tests/clients").glob("*.sh")
                           if f"PAGE={name_of(page)}\n" in script.read_text()
                           and "  expect_whole_page\n" in script.read_text()]
                self.assertTrue(scripts, f"nobody runs all commands of {name_of(page)}")
                names = [f"clients.{script.stem}.page_examples" for script in scripts]
            else:
                script = ROOT / "tests/pages" / (page.stem.lower() + ".sh")
                self.assertTrue(script.exists(), f"there is no {name_of(script)}")
                self.assertTrue(script.read_text().endswith('\nfollow "$@"\n'), script)
                names = [f"pages.{script.stem}"]
            self.assertTrue(set(names) & set(tests()), f"none of {names} is a test")
        print(*not_run, sep="\n")
        self.assertLessEqual(len(not_run), MOST_NOT_RUN, "too many commands are not run")

    def test_stand_in_blocks_that_tests_know(self):
        for page in PAGES:
            for line, language, _, _ in blocks(page):
                self.assertIn(language, LANGUAGES, f"{name_of(page)}:{line}")

    def test_of_the_text_are_there(self):
        """A command that is named in passing has the subcommands and options that it is named with."""
        for page in PAGES:
            for span in spans(page):
                words = span.split()
                if words[0] != "mayfly" or span == "mayfly task":  # which is a label
                    continue
                command = []
                while words[1:] and words[1] in subcommands(*command):
                    command.append(words.pop(1))
                where = f"{name_of(page)}: {span}"
                if words[1:]:
                    self.assertTrue(words[1].startswith(("-", "…")) or not subcommands(*command), where)
                for option in re.findall(r"--[a-z][a-z0-9-]*", span.partition(" -- ")[0]):
                    self.assertIn(option, options_of(*command), where)


class Configurations(unittest.TestCase):
    def test_are_understood(self):
        device = '[device]\nmodule = "/m.so"\ntoken = "pkcs11:token=t"\npin-source = "file:pin"\n'
        read = 0
        for page in PAGES:
            for line, language, _, lines in blocks(page):
                if language != "toml":
                    continue
                text = "\n".join(lines) + "\n"
                # Groups must be there, or be numbers.
                text = re.sub(r"^(.*groups = )\[.*\]$", r"\1[4001]", text, flags=re.M)
                if "[device]" not in text:
                    text += device
                elif "module" not in text and "tpm" not in text:
                    text = text.replace("[device]\n", device)
                if "[status]" in text:  # which stands on these
                    text += '[registry]\nfile = "/r.db"\n[issuer]\ntrust-domain = "a"\nkey-file = "/k"\n'
                    text += 'certificate = "/c"\n'
                with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
                    file.write(text)
                    file.flush()
                    # It reads the configuration, and then may find no broker and no registry.
                    answer = subprocess.run([MAYFLY, "list", "--config", file.name], capture_output=True,
                                            text=True, check=False)
                self.assertNotEqual(answer.returncode, 78, f"{name_of(page)}:{line}: {answer.stderr}")
                read += 1
        self.assertGreater(read, 5)

    def test_of_hsm_config_are_understood(self):
        for file in (ROOT / "hsm-config").glob("*.toml"):
            # A copy, since the checkout may be such that others can write into it.
            with tempfile.TemporaryDirectory() as folder:
                copy = Path(folder) / file.name
                copy.write_text(file.read_text())
                answer = subprocess.run([MAYFLY, "list", "--config", copy], capture_output=True,
                                        text=True, check=False)
            self.assertNotEqual(answer.returncode, 78, f"{file}: {answer.stderr}")


class Names(unittest.TestCase):
    def test_of_tests_are_there(self):
        for page in PAGES:
            for pattern in re.findall(r"tools/test -R ([\w.]+)", page.read_text()):
                if pattern != "NAME":
                    self.assertTrue(any(re.search(pattern, test) for test in tests()),
                                    f"{name_of(page)}: no test is called {pattern}")

    def test_of_files_are_there(self):
        for page in PAGES:
            for span in spans(page) + [line for block in blocks(page) for line in block[3]]:
                for path in re.findall(r"(?<![\w/.-])(?:module|tests|tools|hsm-config|include|docs)/[\w./*-]+", span):
                    path = path.rstrip(".")
                    if re.search(r"[A-Z]{4}_|/[A-Z]{4}\b", path):  # NAME stands for another
                        continue
                    there = [*ROOT.glob(path), *ROOT.glob(f"{path}.h"), *BUILD.glob(path)]
                    self.assertTrue(there, f"{name_of(page)}: there is no {path}")

    def test_of_folders_and_fuzzing_targets_are_all_told(self):
        rows = re.findall(r"^\| (`.*?) \|", (ROOT / "docs/contributing.md").read_text(), flags=re.M)
        told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
        for target in (ROOT / "tests/fuzz").glob("*_target.cpp"):
            self.assertIn(target.name.removesuffix("_target.cpp"), told)
        for folder in (ROOT / "tests").iterdir():
            if folder.is_dir():
                self.assertIn(f"tests/{folder.name}", told)

    def test_of_subcommands_are_all_told(self):
        readme = (ROOT / "README.md").read_text()
        for command in subcommands():
            self.assertRegex(readme, rf"`(mayfly )?{command}`")

    def test_of_pages_are_all_in_the_list(self):
        listed = (ROOT / "docs/README.md").read_text()
        for page in (ROOT / "docs").glob("*.md"):
            if page.name != "README.md":
                self.assertIn(f"]({page.name})", listed)

    def test_of_links_are_there(self):
        for page in PAGES:
            for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
                if re.match(r"https?:", link):
                    continue
                path, _, anchor = link.partition("#")
                target = (page.parent / path).resolve() if path else page
                self.assertTrue(target.exists(), f"{name_of(page)}: {link}")
                if anchor:
                    self.assertIn(anchor, anchors(target), f"{name_of(page)}: {link}")


if __name__ == "__main__":
    BUILD, MAYFLY = Path(sys.argv[1]), sys.argv[2]
    unittest.main(argv=sys.argv[:1], verbosity=2)
