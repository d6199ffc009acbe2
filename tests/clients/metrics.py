"""Reads Prometheus' text format on standard input with Prometheus' own library, and prints its samples as JSON."""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families

families = text_string_to_metric_families(sys.stdin.read())
samples = [[sample.name, sample.labels, sample.value] for family in families for sample in family.samples]
json.dump(samples, sys.stdout)
