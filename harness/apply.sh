#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Applies mails to the base: harness/apply.sh MAILS DIR
# DIR becomes a repository of the files that the series is about. It may be a
# whole kernel already.

. "$(dirname "$0")/series.sh"

export GIT_COMMITTER_NAME=Nobody GIT_COMMITTER_EMAIL=nobody@localhost
export GIT_AUTHOR_NAME=Nobody GIT_AUTHOR_EMAIL=nobody@localhost
init_base "$2"
g -C "$2" am -q --empty=drop "$1"/*.patch
