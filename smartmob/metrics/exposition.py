"""
Numbers as Prometheus reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from attrs import define, field

from smartmob.metrics.catalogue import METRICS, Kind, Metric
from smartmob.metrics.loop_delay import LoopDelay
from smartmob.metrics.readings import (
    Measured,
    Reading,
    Sample,
    of_delay,
    of_processes,
    of_version,
)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import Metric as Family

    from smartmob.process import Process


@define(eq=False, repr=False, slots=False)
class Exposition:
    """
    Tells of all there is, or of what there is for somebody.

    @cvar content_type: U{Prometheus' text format
        <https://prometheus.io/docs/instrumenting/exposition_formats/>}: every version of it,
        and all that reads such, knows this one.
    @ivar delay: How late the agent is.
    @ivar readings: What there is besides.
    """

    content_type: ClassVar = b"text/plain; version=0.0.4; charset=utf-8"
    delay: LoopDelay
    readings: list[Reading] = field(factory=list)

    async def all(self) -> bytes:
        """
        Everything.
        """
        await self.delay.asked()
        return _text(self._registry)

    def of(self, processes: Iterable[Process]) -> bytes:
        """
        Only how many of these there are, and which agent it is.
        """
        samples = [*of_version(), *of_processes(processes)]
        known = {sample.metric for sample in samples}
        return _text(_registry(lambda: samples, [each for each in METRICS if each in known]))

    def close(self) -> None:
        """
        Nobody will ask any more.
        """
        self.delay.close()

    @cached_property
    def _registry(self) -> CollectorRegistry:
        from prometheus_client import ProcessCollector

        registry = _registry(self._collect, METRICS)
        ProcessCollector(registry=registry)
        return registry

    def _collect(self) -> Iterator[Sample]:
        return _samples((of_version, *self.readings, lambda: of_delay(self.delay)))


@define(eq=False, repr=False)
class _Collector:
    """
    Makes families of samples, as the Prometheus library has them.

    @ivar metrics: Those that are told of, in their order, also where there are no samples.
    """

    samples: Callable[[], Iterable[Sample]]
    metrics: Iterable[Metric]

    def collect(self) -> Iterator[Family]:
        """
        See C{prometheus_client.registry.Collector}.
        """
        found: dict[Metric, list[Sample]] = {}
        for sample in self.samples():
            found.setdefault(sample.metric, []).append(sample)
        for metric in self.metrics:
            yield _family(metric, found.get(metric, ()))


def _samples(readings: Iterable[Reading]) -> Iterator[Sample]:
    for reading in readings:
        yield from reading()


def _registry(
    samples: Callable[[], Iterable[Sample]], metrics: Iterable[Metric]
) -> CollectorRegistry:
    """
    One of our own: the library's has what any other code in here may have put there.
    """
    from prometheus_client import CollectorRegistry

    registry = CollectorRegistry()
    registry.register(_Collector(samples, metrics))
    return registry


def _text(registry: CollectorRegistry) -> bytes:
    from prometheus_client import generate_latest

    return generate_latest(registry)


def _family(metric: Metric, samples: Iterable[Sample]) -> Family:
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )
    from prometheus_client.utils import floatToGoString

    if metric.kind is Kind.HISTOGRAM:
        histogram = HistogramMetricFamily(metric.name, metric.about, labels=metric.labels)
        for _, value, labels in samples:
            assert isinstance(value, Measured)
            buckets = [(floatToGoString(bound), count) for bound, count in value.buckets]
            histogram.add_metric(labels, buckets, value.sum)
        return histogram
    family: CounterMetricFamily | GaugeMetricFamily
    kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(metric.name, metric.about, labels=metric.labels)
    for _, value, labels in samples:
        assert not isinstance(value, Measured)
        family.add_metric(labels, value)
    return family
