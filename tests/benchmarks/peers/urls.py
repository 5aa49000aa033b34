"""Addresses of the peer."""

from django.urls import path

from tests.benchmarks.peers.desk import views

urlpatterns = [
    path("api/v1/invoices", views.accept_invoice),
    path("api/v1/invoices/batch", views.accept_batch),
    path("callbacks/<str:provider>", views.receive_callback),
]
