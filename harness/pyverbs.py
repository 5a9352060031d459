# SPDX-License-Identifier: GPL-2.0
"""
Compares a verbose log of unittest with the results that are expected.

    pyverbs.py EXPECTATION LOG    prints KTAP, a result for each name
    pyverbs.py LOG                prints an expectation

A line of an expectation is a result (ok, skipped, FAIL or ERROR, or several of
them with | in between) and the name of a test.
"""
import re
import sys

RESULT = re.compile(r"(?:\.\.\. |^)(ok|skipped|FAIL|ERROR)\b")
NAME = re.compile(r"^test_\w+ \((tests\.[\w.]+)\)")


def read_log(path):
    """Name and result of each test; the result may be lines below the name."""
    results, name = {}, None
    with open(path, errors="replace", encoding="utf-8") as log:
        for line in log:
            found = NAME.match(line)
            if found:
                name = found.group(1)
                results[name] = "none"
            found = RESULT.search(line)
            if found and name:
                results[name] = found.group(1)
                name = None
    return results


def read_expectation(path):
    expected = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                result, name = line.split()
                expected[name] = result
    return expected


def verdict(expected, result):
    if expected is None:
        return "not ok", f" # {result}, but nothing was expected"
    if result not in expected.split("|"):
        return "not ok", f" # {result}, expected {expected}"
    return "ok", "" if result == "ok" else " # SKIP as before"


def main():
    results = read_log(sys.argv[-1])
    if len(sys.argv) == 2:
        for name, result in sorted(results.items()):
            print(result, name)
        return
    expected = read_expectation(sys.argv[1])
    names = sorted(set(expected) | set(results))
    print("KTAP version 1")
    print(f"1..{len(names)}")
    for number, name in enumerate(names, 1):
        status, why = verdict(expected.get(name), results.get(name, "none"))
        print(f"{status} {number} {name}{why}")


main()
