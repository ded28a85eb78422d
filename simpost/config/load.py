"""Read, validate, resolve and hash a configuration."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, Tag, ValidationError

from simpost.config.models import Config
from simpost.core.errors import ConfigError, SimpostError, nearest_name
from simpost.core.files import user_path

Model = TypeVar("Model", bound=BaseModel)


class InvalidConfigError(SimpostError):
    """Every problem of a configuration, one line each."""

    def __init__(self, problems: list[ConfigError]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


def load_config(path: str | Path) -> Config:
    """Read a YAML file, lay it over its preset, and validate it.

    Raises
    ------
    InvalidConfigError
        With one line for each unknown key, wrong unit or value out of range (file and line named).
    """
    path = user_path(str(path), "configuration")
    raw = read_yaml(path)
    if "analysis" in raw:
        raise ConfigError(
            path, "the configuration of an analysis", "that of a run", "use it with `simpost fit`"
        )
    return resolve(raw, str(path))


def resolve(raw: dict[str, Any], source: str = "configuration") -> Config:
    """Validate a mapping as a configuration, laid over its preset."""
    preset = raw.get("preset")
    merged = raw if preset is None else _merge(_preset(preset, source), raw)
    return validate(Config, merged, source, lines_of=raw)


def validate(
    kind: type[Model], content: dict[str, Any], source: str, lines_of: dict[str, Any] | None = None
) -> Model:
    """Validate the content of a YAML file as a model.

    Parameters
    ----------
    kind : type
        The pydantic model.
    content : dict
        Keys and values.
    source : str
        The file, for messages.
    lines_of : dict, optional
        As `read_yaml` returned it, for the line numbers in messages; default: `content`.

    Raises
    ------
    InvalidConfigError
        With one line for each unknown key, wrong unit or value out of range.
    """
    try:
        return kind.model_validate(_plain(content))
    except ValidationError as error:
        raw = content if lines_of is None else lines_of
        problems = [_problem(kind, item, content, raw, source) for item in error.errors()]
        raise InvalidConfigError(problems) from None


def preset_names() -> list[str]:
    """Names of the packaged presets."""
    folder = resources.files("simpost") / "data" / "presets"
    return sorted(Path(str(item)).stem for item in folder.iterdir() if str(item).endswith(".yaml"))


def canonical_yaml(config: BaseModel) -> str:
    """The whole resolved configuration as YAML, keys in order, every default written out."""
    stream = io.StringIO()
    _yaml().dump(config.model_dump(mode="json"), stream)
    return stream.getvalue()


def config_hash(config: BaseModel) -> str:
    """Hex digest of all that decides the numbers (everything but the output folder and the threads)."""
    content = config.model_dump(mode="json", exclude={"output", "workers"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def stamp(config: BaseModel) -> str:
    """What marks a folder of results: the hash, then the whole configuration."""
    return f"# hash {config_hash(config)}\n{canonical_yaml(config)}"


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.default_flow_style = False
    return yaml


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values of a YAML file; ConfigError if it is no such file."""
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        content = _yaml().load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, str(error.strerror).lower(), "a YAML file") from error
    except UnicodeDecodeError as error:
        raise ConfigError(path, "bytes that are no text", "a YAML file in UTF-8") from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else str(path)
        problem = str(error.problem or error.context or "broken YAML").split("\n")[0]
        raise ConfigError(where, problem, "valid YAML with every key once") from error
    except YAMLError as error:
        raise ConfigError(path, " ".join(str(error).split())[:120], "valid YAML") from error
    if not isinstance(content, dict):
        raise ConfigError(
            path, "no mapping of keys" if content is not None else "an empty file", "keys and values"
        )
    return content


def _preset(name: Any, source: str) -> dict[str, Any]:
    if not isinstance(name, str) or name not in preset_names():
        raise ConfigError(
            f"{source}, preset", repr(name), "a packaged preset", nearest_name(str(name), preset_names())
        )
    return read_yaml(Path(str(resources.files("simpost") / "data" / "presets" / f"{name}.yaml")))


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged


def _plain(value: Any) -> Any:
    """Ruamel's containers and scalars as Python's own (pydantic's messages then read naturally)."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _problem(
    kind: type[BaseModel], item: Any, content: dict[str, Any], raw: dict[str, Any], source: str
) -> ConfigError:
    keys = _written(content, item)
    line = _line_of(raw, keys)
    where = (
        f"{source}, line {line}, {'.'.join(keys)}" if line else f"{source}, {'.'.join(keys) or 'top level'}"
    )
    if item["type"] == "extra_forbidden":
        *holder, name = item["loc"]
        return ConfigError(
            where, "an unknown key", "a key simpost knows", nearest_name(str(name), _known_keys(kind, holder))
        )
    if item["type"] == "missing":
        return ConfigError(where, "nothing", "this key is needed")
    message = item["msg"].removeprefix("Value error, ")
    found, ours, expected = message.partition("; expected: ")
    if not ours:  # pydantic's own words
        found, expected = repr(item["input"]), message.removeprefix("Input should be ")
    return ConfigError(where, found if len(found) <= 100 else found[:97] + "...", expected)


def _written(content: Any, item: Any) -> list[str]:
    """Keys and indices of a problem's place as the user wrote them: without the tags of alternatives."""
    location, keys = item["loc"], []
    for number, key in enumerate(location, start=1):
        is_absent = item["type"] == "missing" and number == len(location)
        if isinstance(content, list) and isinstance(key, int):
            content = content[key] if key < len(content) else None
        elif isinstance(content, dict) and (key in content or is_absent):
            content = content.get(key)
        else:
            continue
        keys.append(str(key))
    return keys


def _line_of(raw: Any, keys: list[str]) -> int | None:
    """1-based line of the deepest of `keys` that the file itself holds."""
    line = None
    for key in keys:
        if isinstance(raw, dict) and key in raw:
            position = getattr(raw, "lc", None)
            line = position.key(key)[0] + 1 if position is not None else line
            raw = raw[key]
        elif isinstance(raw, list) and key.isdigit() and int(key) < len(raw):
            raw = raw[int(key)]
        else:
            break
    return line


def _known_keys(kind: type[BaseModel], location: list[str | int]) -> list[str]:
    """Keys of the block at a location: keys, indices of lists, and tags of alternatives."""
    annotation: Any = kind
    for key in location:
        annotation = _inside(annotation, key)
    return next((list(part.model_fields) for part in _parts(annotation) if _is_block(part)), [])


def _inside(annotation: Any, key: str | int) -> Any:
    """Type of what stands at a key of a block or behind a tag; the elements of a list are among its parts."""
    for part in _parts(annotation):
        if _is_block(part) and key in part.model_fields:
            return part.model_fields[key].annotation
        if get_origin(part) is Annotated and Tag(str(key)) in part.__metadata__:
            return part.__origin__
    return annotation


def _parts(annotation: Any) -> Iterator[Any]:
    """A type and all that it is made of."""
    yield annotation
    for part in get_args(annotation):
        yield from _parts(part)


def _is_block(part: Any) -> bool:
    return isinstance(part, type) and issubclass(part, BaseModel)
