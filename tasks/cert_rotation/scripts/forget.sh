#!/bin/sh
# Removes the record of a rotation whose previous files are restored. No run resumes it or attaches to its job.
#
# Given:  RECORD         the file
#         COPY           the archive of kubeadm's folder
#         KEPT           the file that the archive becomes
#         JOB            the folder of the job that renews
#         STAGE          the folder for new pairs
#         CONFIGURATION  for kubeadm
#         PUT_BACK       the mark that the previous files are back
# Prints:  nothing
# Status:  not 0 if a file cannot be written

set -eu
rm -rf "$STAGE" "$CONFIGURATION" "$JOB"
[ ! -e "$COPY" ] || mv -f "$COPY" "$KEPT"
rm -f "$PUT_BACK" "$RECORD"
