"""The sign-in page."""

from __future__ import annotations

from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.views import LoginView
from django.http import HttpResponse

from review.sign_in import SignInForm


class SignIn(LoginView):
    """Everybody: sign in. Wrong names and passwords answer 200, too many of them 429."""

    authentication_form = SignInForm
    redirect_authenticated_user = True

    def form_invalid(self, form: AuthenticationForm) -> HttpResponse:
        """Say what is wrong, and how long to wait where too many were tried."""
        response = super().form_invalid(form)
        if isinstance(form, SignInForm) and form.wait:
            response.status_code = 429
            response["Retry-After"] = str(form.wait)
        return response
