"""Which API keys are made, kept and invalidated, and what somebody lacks who may not."""

from __future__ import annotations

from typing import Any

import pytest

from otel_asayer.errors import ElasticsearchError, NotAllowedError
from otel_asayer.setup.keys import (
    BRIDGE,
    READER,
    ROLES,
    VIEWER,
    WRITER,
    AuthenticatedUser,
    KeyOptions,
    Role,
    authenticate,
    keys_on,
    plan_keys,
    require_privileges,
    required_privileges,
)
from otel_asayer.setup.planner import Request, Step
from unit.elasticsearch.answering import NO_HANDLER, Answering

LIST = "GET /_security/api_key"
AUTHENTICATE = "GET /_security/_authenticate"
PRIVILEGES = "GET /_security/user/_has_privileges"
JANE = AuthenticatedUser("jane", is_api_key=False, secured=True)
ONLY_WRITER = KeyOptions((WRITER,))


def entry(identity: str, role: Role = WRITER, created: int = 1, **more: Any) -> dict[str, Any]:
    descriptor = {
        "cluster": list(role.cluster),
        "indices": role.descriptor["index"],
    }
    metadata = {"managed_by": "otel-asayer", "role": role.name}
    return {
        "id": identity,
        "creation": created,
        "metadata": metadata,
        "role_descriptors": {role.name: descriptor},
        **more,
    }


def plan(*entries: dict[str, Any], options: KeyOptions = ONLY_WRITER) -> tuple[Step, ...]:
    return plan_keys(Answering({LIST: (200, {"api_keys": list(entries)})}).api, options)


class TestPlan:
    def test_each_role_has_no_more_than_it_needs(self) -> None:
        assert [role.descriptor for role in ROLES] == [
            {
                "cluster": [],
                "index": [
                    {
                        "names": ["logs-*.otel-*", "traces-*.otel-*", "asayer-logs-*"],
                        "privileges": ["create_doc", "auto_configure"],
                    }
                ],
            },
            {
                "cluster": [],
                "index": [{"names": ["logs", "asayer-logs-*"], "privileges": ["read"]}],
            },
            {
                "cluster": list(VIEWER.cluster),
                "index": [
                    {
                        "names": [
                            "logs",
                            "logs-*.otel-*",
                            "traces-*.otel-*",
                            "asayer-logs-*",
                            "logs.otel*",
                        ],
                        "privileges": ["read", "view_index_metadata"],
                    }
                ],
            },
        ]

    def test_the_bridge_reads_what_it_must_not_write_and_writes_what_it_must_not_read(self) -> None:
        assert BRIDGE.descriptor == {
            "cluster": [],
            "index": [
                {
                    "names": ["logs-*.otel-*", "traces-*.otel-*", "logs.otel*"],
                    "privileges": ["read", "view_index_metadata"],
                },
                {"names": ["asayer-logs-*"], "privileges": ["create_doc", "auto_configure"]},
            ],
        }

    def test_a_valid_key_of_the_bridge_is_recognised_as_such(self) -> None:
        (step,) = plan(entry("a", BRIDGE), options=KeyOptions((BRIDGE,)))
        assert step.word == "present"
        assert "differ" not in step.note

    def test_a_key_is_created_with_its_role_and_our_mark(self) -> None:
        body = {
            "name": "otel-asayer-writer",
            "role_descriptors": {"writer": WRITER.descriptor},
            "metadata": {"managed_by": "otel-asayer", "role": "writer"},
        }
        assert plan() == (
            Step(
                "API key otel-asayer-writer",
                "created",
                "",
                (Request("POST", "/_security/api_key", body),),
            ),
        )

    def test_an_expiration_goes_along(self) -> None:
        (step,) = plan(options=KeyOptions((WRITER,), "90d"))
        assert step.requests[0].body["expiration"] == "90d"

    def test_a_valid_key_is_not_doubled(self) -> None:
        note = (
            "Its id is a, valid until 2027-02-22. Elasticsearch shows a secret only once: "
            "--new-keys creates another key."
        )
        assert plan(entry("a", expiration=1_803_328_805_751)) == (
            Step("API key otel-asayer-writer", "present", note),
        )

    def test_a_key_with_other_rights_is_told(self) -> None:
        (step,) = plan(
            {**entry("a", READER), "metadata": {"managed_by": "otel-asayer", "role": "writer"}}
        )
        assert step.note.endswith("Its privileges differ from those of a new key.")

    def test_a_key_of_another_role_or_another_owner_is_none_of_these(self) -> None:
        assert [step.word for step in plan(entry("a", VIEWER), {**entry("b"), "metadata": {}})] == [
            "created"
        ]

    def test_a_new_key_leaves_the_old_one_valid_and_tells_how_to_invalidate_it(self) -> None:
        (step,) = plan(entry("b", created=2), entry("a"), options=KeyOptions((WRITER,), new=True))
        assert step.word == "created"
        assert (
            step.note == "The older a, b stays valid: invalidate it once the new one is in use "
            "(--invalidate-old-keys)."
        )
        assert step.advised == (Request("DELETE", "/_security/api_key", {"ids": ["a", "b"]}),)

    def test_of_several_keys_the_newest_stays(self) -> None:
        kept, invalidated = plan(
            entry("b", created=2), entry("a"), options=KeyOptions((WRITER,), invalidate_old=True)
        )
        assert kept.word == "present"
        assert kept.note.partition(".")[0] == "Its id is b"
        assert invalidated.requests == (Request("DELETE", "/_security/api_key", {"ids": ["a"]}),)

    def test_a_new_key_may_replace_the_old_one_at_once(self) -> None:
        created, invalidated = plan(
            entry("a"), options=KeyOptions((WRITER,), new=True, invalidate_old=True)
        )
        assert created.word == "created"
        assert created.advised == ()
        assert invalidated.word == "invalidated"


class TestOwnKeys:
    """A user with `manage_own_api_key` alone may list and invalidate no others."""

    def test_such_a_user_asks_for_own_keys(self) -> None:
        class Own(Answering):
            def request(self, method: str, target: str, *arguments: Any, **keywords: Any) -> Any:
                self.answers[LIST] = (
                    (200, {"api_keys": [entry("a")]})
                    if target.endswith("&owner=true")
                    else (403, {"error": {}})
                )
                return super().request(method, target, *arguments, **keywords)

        (_, invalidated) = plan_keys(
            Own().api, KeyOptions((WRITER,), new=True, invalidate_old=True)
        )
        assert invalidated.requests == (
            Request("DELETE", "/_security/api_key", {"ids": ["a"], "owner": True}),
        )

    def test_who_may_not_even_that_learns_it(self) -> None:
        with pytest.raises(NotAllowedError, match="Not allowed to list API keys"):
            keys_on(Answering({LIST: (403, {"error": {"reason": "no"}})}).api)


class TestAuthenticatedUser:
    def user(self, status: int, content: object) -> AuthenticatedUser:
        return authenticate(Answering({AUTHENTICATE: (status, content)}).api)

    def test_a_user_is_known_by_name(self) -> None:
        assert self.user(200, {"username": "jane", "authentication_type": "realm"}) == JANE

    def test_refused_credentials_are_refused_whatever_their_name_says(self) -> None:
        with pytest.raises(NotAllowedError, match="Elasticsearch refuses the credentials"):
            self.user(
                401,
                {
                    "error": {
                        "reason": "unable to authenticate user [security is not enabled] for REST "
                        "request"
                    }
                },
            )

    def test_an_api_key_is_known_as_one(self) -> None:
        assert self.user(200, {"username": "jane", "authentication_type": "api_key"}).is_api_key

    @pytest.mark.parametrize(
        "answer",
        [
            NO_HANDLER,
            (
                405,
                {
                    "error": "Incorrect HTTP method for uri [/_security/_authenticate] and method "
                    "[GET], allowed: [POST]"
                },
            ),
            (
                500,
                {
                    "error": {
                        "reason": "Security must be explicitly enabled when using a [basic] "
                        "license."
                    }
                },
            ),
        ],
    )
    def test_a_server_without_security_knows_nobody(self, answer: tuple[int, Any]) -> None:
        assert self.user(*answer) == AuthenticatedUser("", is_api_key=False, secured=False)

    def test_refused_credentials_are_an_error(self) -> None:
        with pytest.raises(NotAllowedError, match="It does not know these credentials"):
            self.user(401, {"error": {"reason": "unable to authenticate"}})

    def test_a_server_in_trouble_is_not_taken_for_one_without_security(self) -> None:
        with pytest.raises(ElasticsearchError, match="no master"):
            self.user(503, {"error": {"reason": "no master"}})


class TestPrivileges:
    def test_keys_need_what_they_are_to_have(self) -> None:
        needs = required_privileges("live", (WRITER, READER))
        assert sorted(needs.cluster) == [
            "manage_index_templates",
            "manage_ingest_pipelines",
            "manage_own_api_key",
        ]
        assert {pattern: set(names) for pattern, names in needs.indices.items()} == (
            {
                "logs": {"view_index_metadata", "read"},
                "asayer-logs-*": {"view_index_metadata", "create_doc", "auto_configure", "read"},
                "asayer-logs-live-*": {"create_doc", "auto_configure"},
                "logs-*.otel-*": {"create_doc", "auto_configure"},
                "traces-*.otel-*": {"create_doc", "auto_configure"},
            }
        )

    def test_without_keys_there_is_no_need_to_manage_them(self) -> None:
        assert required_privileges("live", ()).cluster == {
            "manage_index_templates",
            "manage_ingest_pipelines",
        }

    def test_who_has_all_goes_on(self) -> None:
        server = Answering(
            {PRIVILEGES: (200, {"cluster": {"monitor": True}, "index": {"logs": {"read": True}}})}
        )
        require_privileges(server.api, JANE, "live", ROLES)
        assert server.asked == ["GET /_security/user/_has_privileges"]

    def missing(self, granted: dict[str, Any], *roles: Role) -> str:
        with pytest.raises(NotAllowedError) as caught:
            require_privileges(Answering({PRIVILEGES: (200, granted)}).api, JANE, "live", roles)
        return str(caught.value)

    def test_each_missing_privilege_is_named(self) -> None:
        neither = {"read": False, "view_index_metadata": False}
        index = {
            "traces-*": neither,
            "logs-*": {**neither, "create_doc": True},
            "logs": {"auto_configure": False},
        }
        cluster = {"manage_index_templates": False, "monitor": False, "manage_own_api_key": True}
        assert self.missing({"cluster": cluster, "index": index}) == (
            "The user 'jane' may not set this up: it lacks the cluster privileges "
            "'manage_index_templates', 'monitor'; "
            "the index privilege 'auto_configure' on logs; the index privileges 'read', "
            "'view_index_metadata' on traces-*, logs-*. "
            "Add these privileges, or use another user."
        )

    def test_an_api_key_is_not_called_a_user(self) -> None:
        server = Answering({PRIVILEGES: (200, {"cluster": {"manage_index_templates": False}})})
        with pytest.raises(
            NotAllowedError, match="The API key of 'jane' may not set this up: it lacks"
        ):
            require_privileges(server.api, JANE._replace(is_api_key=True), "live", ())

    def test_what_is_missing_without_keys_as_well_is_no_reason_to_leave_them_out(self) -> None:
        granted = {
            "cluster": {"manage_index_templates": False, "monitor": True},
            "index": {"logs": {"view_index_metadata": False, "read": True}},
        }
        assert self.missing(granted, VIEWER).endswith(
            "'view_index_metadata' on logs. Add these privileges, or use another user."
        )

    def test_of_keys_it_is_said_that_they_can_do_no_more_than_their_maker(self) -> None:
        assert self.missing({"cluster": {"monitor": False}}, VIEWER).endswith(
            "it lacks the cluster privilege 'monitor'. Add these privileges, or use another user. "
            "Part of it is what the API keys may do: a key can have no more privileges than the "
            "user who creates it. With --no-keys you do not need that."
        )
