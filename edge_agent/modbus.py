"""Reads registers of a Modbus TCP meter. It offers no function that writes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from shopfloor.errors import ExpectedError

if TYPE_CHECKING:
    from edge_agent.meter_config import MappedRegister, MeterConfig

logging.getLogger("pymodbus").setLevel(logging.CRITICAL + 1)  # what goes wrong is raised here, and logged by the caller

ANSWER_SECONDS = 3.0
"""How long a meter may take to answer."""
_EXCEPTIONS = {
    1: "it does not know this function",
    2: "it has no such address",
    3: "it refuses the number of registers",
    4: "it has failed",
    6: "it is busy",
    10: "the gateway has no path to it",
    11: "the gateway gets no answer from it",
}
"""Exception codes in words (Modbus Application Protocol V1.1b3, 7)."""


class MeterSilentError(ExpectedError):
    """The meter does not answer."""


class RegisterRefusedError(ExpectedError):
    """The meter answers, but not with this register; the message says why."""


class MeterLink:
    """A connection with one meter.

    Args:
        meter: which one.
    """

    def __init__(self, meter: MeterConfig) -> None:
        self._meter = meter
        self._client = AsyncModbusTcpClient(
            meter.host, port=meter.port, timeout=ANSWER_SECONDS, retries=0, reconnect_delay=0
        )

    async def connect(self) -> None:
        """Open the connection.

        Raises:
            MeterSilentError: nobody answers there.
        """
        if not await self._client.connect():
            raise MeterSilentError(f"{self._meter.host}:{self._meter.port} does not answer")

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    async def read(self, mapped: MappedRegister) -> bool | float:
        """Read one signal: its raw value, before scale.

        Raises:
            MeterSilentError: the connection is gone, or no answer came.
            RegisterRefusedError: the meter refuses this register.
        """
        register = mapped.register
        calls = {
            "holding": self._client.read_holding_registers,
            "input": self._client.read_input_registers,
            "coil": self._client.read_coils,
            "discrete": self._client.read_discrete_inputs,
        }
        try:
            answer = await calls[register.table](register.address, count=mapped.count, device_id=self._meter.unit_id)
        except (ModbusException, OSError) as error:
            raise MeterSilentError(f"{self._meter.host}:{self._meter.port}: {error}") from error
        if answer.isError():
            code = int(getattr(answer, "exception_code", 0))
            reason = _EXCEPTIONS.get(code, f"exception {code}")
            raise RegisterRefusedError(f"{register.table} {register.address}: {reason}")
        if register.type == "bit":
            return bool(answer.bits[0])
        if len(answer.registers) != mapped.count:
            raise RegisterRefusedError(f"{register.table} {register.address}: {len(answer.registers)} registers came")
        kind = self._client.DATATYPE[register.type.upper()]
        value = self._client.convert_from_registers(answer.registers, kind, word_order=register.word_order)
        if isinstance(value, int | float):
            return value
        raise RegisterRefusedError(f"{register.table} {register.address}: {value!r} is no number")
