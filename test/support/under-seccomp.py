"""Runs a command under a seccomp profile in the format of container runtimes: under-seccomp.py PROFILE COMMAND…"""

import json
import os
import sys

import seccomp

OPERATORS = {"SCMP_CMP_EQ": seccomp.EQ, "SCMP_CMP_MASKED_EQ": seccomp.MASKED_EQ}


def action(rule, key, number):
    return seccomp.ALLOW if rule[key] == "SCMP_ACT_ALLOW" else seccomp.ERRNO(rule[number])


def argument(arg):
    values = [arg["value"]]
    if arg["op"] == "SCMP_CMP_MASKED_EQ":
        values.append(arg["valueTwo"])
    return seccomp.Arg(arg["index"], OPERATORS[arg["op"]], *values)


with open(sys.argv[1], encoding="utf-8") as file:
    profile = json.load(file)
found = seccomp.SyscallFilter(action(profile, "defaultAction", "defaultErrnoRet"))
for rule in profile["syscalls"]:
    for name in rule["names"]:
        if seccomp.resolve_syscall(seccomp.Arch(), name) < 0:
            continue  # as runtimes do with what this processor does not have
        found.add_rule(action(rule, "action", "errnoRet"), name, *map(argument, rule.get("args", [])))
found.load()
os.execvp(sys.argv[2], sys.argv[2:])
