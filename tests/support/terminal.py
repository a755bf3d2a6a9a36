"""Runs a command in a terminal of 80 columns, and reads the screen afterwards."""

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from collections.abc import Callable
from pathlib import Path

WIDTH, HEIGHT = 80, 40
_CODE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


class Screen:
    """The screen of a terminal: as much of ECMA-48 as Rich needs. Other control sequences are an error."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = self.column = 0
        self.cursor_is_shown = True

    def write(self, text: str) -> None:
        while text:
            if code := _CODE.match(text):
                text = text[code.end() :]
                self._execute(code[1], code[2], code[3])
                continue
            self._put(text[0])
            text = text[1:]

    def _execute(self, private: str, arguments: str, code: str) -> None:
        number = int(arguments) if arguments.isdigit() else 1
        match private + code:
            case "m":
                pass
            case "A":
                self.row = max(0, self.row - number)
            case "K":
                assert arguments == "2"
                self.lines[self.row] = ""
            case "?h" | "?l":
                if arguments == "25":
                    self.cursor_is_shown = code == "h"
            case _:
                raise AssertionError(f"unknown code {private}{arguments}{code}")

    def _put(self, char: str) -> None:
        match char:
            case "\r":
                self.column = 0
            case "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            case _:
                assert char.isprintable(), repr(char)
                if self.column == WIDTH:
                    self._put("\r")
                    self._put("\n")
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + char + line[self.column + 1 :]
                self.column += 1


def on_terminal(
    *args: object, cwd: Path, term: str = "xterm-256color", keys: Callable[[str], bytes] = lambda message: b""
) -> tuple[int, Screen, str]:
    """Runs helios in a terminal; returns its exit code, the final screen, and the whole output.

    ``keys`` is called with the output so far whenever there is more, and returns the bytes to type.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(cwd)
        os.environ |= {"TERM": term, "COLUMNS": str(WIDTH), "LINES": str(HEIGHT)}
        os.execv(sys.executable, [sys.executable, "-m", "helios", *map(str, args)])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    message = b""
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        if not data:
            break
        message += data
        if typed := keys(message.decode("utf-8", "replace")):
            os.write(terminal, typed)
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    screen = Screen()
    text = message.decode()
    screen.write(text)
    return os.waitstatus_to_exitcode(status), screen, text
