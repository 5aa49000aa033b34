"""How a fault is read out of a recipient's address."""

import pytest

from invoices.sandbox.faults import Fault, fault_for


@pytest.mark.parametrize(
    ("recipient", "fault"),
    [
        ("bounce@sandbox.example", Fault.BOUNCE),
        ("Bounce+march@Sandbox.Example", Fault.BOUNCE),
        (" silent@sandbox.example ", Fault.SILENT),
        ("bounce@elsewhere.example", Fault.DELIVER),
        ("bounce@sandbox.example.com", Fault.DELIVER),
        ("somebody@sandbox.example", Fault.DELIVER),
        ("BOUNCE", Fault.DELIVER),
        ("", Fault.DELIVER),
    ],
)
def test_the_recipient_chooses_the_fault(recipient: str, fault: Fault) -> None:
    assert fault_for(recipient) is fault
