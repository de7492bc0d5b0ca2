"""An application that knows nothing of Treaty: SQLAlchemy's ORM and Core, the same program on every database.

usage: with_sqlalchemy.py sqlite:PATH|postgres://... create
       with_sqlalchemy.py sqlite:PATH|postgres://... write TAG
       with_sqlalchemy.py sqlite:PATH|postgres://... read TAG

`create` makes the tables as the models have them. `write` prints, as JSON, the figures that must come of it, and `read` those
that the ORM finds.
"""

import json
import sys
import uuid
from datetime import date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import ForeignKey, LargeBinary, Numeric, String, UniqueConstraint, Uuid
from sqlalchemy import create_engine, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

PROJECTS = 30


class Base(DeclarativeBase):
    id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)


class Project(Base):
    __tablename__ = "projects"
    name: Mapped[str] = mapped_column(String(80), unique=True)
    started: Mapped[date | None]
    tasks: Mapped[list["Task"]] = relationship(back_populates="project", cascade="all, delete-orphan")


class Task(Base):
    __tablename__ = "tasks"
    __table_args__ = (UniqueConstraint("project_id", "title"),)
    project_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("projects.id"))
    title: Mapped[str]
    hours: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    is_done: Mapped[bool] = mapped_column(default=False)
    due: Mapped[datetime | None]
    share: Mapped[float | None]
    sketch: Mapped[bytes | None] = mapped_column(LargeBinary)
    project: Mapped[Project] = relationship(back_populates="tasks")


def engine_of(url):
    if url.startswith("sqlite:"):
        return create_engine("sqlite:///" + url.removeprefix("sqlite:"), connect_args={"timeout": 60})
    return create_engine("postgresql+psycopg" + url.removeprefix("postgres").removeprefix("ql"))


def plan(session, tag):
    """A graph of objects in one flush, and a bulk insert of rows."""
    projects = [Project(name=f"{tag} {n}", started=date(2024, 1, 31) + timedelta(days=n)) for n in range(PROJECTS)]
    for number, project in enumerate(projects):
        project.tasks = [
            Task(
                title=f"{tag} «{step}»",
                hours=Decimal(number) + Decimal(step) / 4,
                due=datetime(2024, 2, 29, 12, 30, 0, 250_000) + timedelta(hours=number, microseconds=step),
                share=step / 3,
                sketch=bytes([step, 0, 255]),
            )
            for step in range(8)
        ]
    session.add_all(projects)
    session.commit()
    rows = [{"project_id": projects[0].id, "title": f"{tag} bulk {n}", "hours": Decimal("0.25")} for n in range(300)]
    session.execute(insert(Task), rows)
    session.commit()
    return projects


def revise(session, tag, projects):
    """Dirty objects, merge, moving a child, orphans, updates by criteria, upserts."""
    for project in projects[:10]:
        project.name += " (revised)"
        project.tasks[0].hours += 1
        moved = project.tasks[1]
        moved.title = f"{tag} from {project.name}"
        moved.project = projects[29]
    session.commit()
    for project in projects[10:15]:
        project.tasks.pop()
    session.merge(Project(id=projects[20].id, name=f"{tag} merged", started=None))
    session.commit()
    mine = select(Project.id).where(Project.name.startswith(tag))
    session.execute(
        update(Task).where(Task.project_id.in_(mine), Task.hours < 1).values(hours=Task.hours + Decimal("0.50"), is_done=True)
    )
    session.commit()
    dialect = {"sqlite": sqlite, "postgresql": postgresql}[session.bind.dialect.name]
    upsert = dialect.insert(Project).values(
        [{"id": uuid.uuid4(), "name": f"{tag} {n}", "started": date(2000, 1, 1)} for n in range(28, 33)]
    )
    upsert = upsert.on_conflict_do_update(index_elements=["name"], set_={"started": upsert.excluded.started})
    session.execute(upsert)
    session.commit()


def change_mind(session, tag, projects):
    """Savepoints and transactions that are rolled back; the cascade of a delete."""
    try:
        with session.begin_nested():
            session.add(Project(name=f"{tag} 25"))
    except IntegrityError:
        pass
    with session.begin_nested():
        session.add(Project(name=f"{tag} kept"))
    session.commit()
    session.execute(delete(Task).where(Task.title.startswith(tag)))
    session.rollback()
    session.delete(projects[2])
    session.execute(delete(Task).where(Task.title == f"{tag} bulk 7"))
    session.commit()


def figures(session, tag):
    mine = Project.name.startswith(tag)
    tasks = session.scalars(select(Task).join(Task.project).where(mine)).all()
    return {
        "projects": session.scalar(select(func.count()).select_from(Project).where(mine)),
        "since 2000": session.scalar(select(func.count()).where(mine, Project.started == date(2000, 1, 1))),
        "tasks": len(tasks),
        "done": sum(task.is_done for task in tasks),
        "hours": str(sum(task.hours for task in tasks)),
        "last": str(max(task.due for task in tasks if task.due)),
        "shares": sum(task.share for task in sorted(tasks, key=lambda task: task.title) if task.share),
    }


EXPECTED = {
    # 30, and 3 of the upsert, and one kept, without the deleted.
    "projects": PROJECTS + 3 + 1 - 1,
    "since 2000": 5,
    # Without 5 orphans, the 7 that the deleted project had left, and one.
    "tasks": PROJECTS * 8 + 300 - 5 - 7 - 1,
}


def main():
    url, command, *tags = sys.argv[1:]
    engine = engine_of(url)
    if command == "create":
        Base.metadata.create_all(engine)
        return
    (tag,) = tags
    with Session(engine) as session:
        if command == "write":
            projects = plan(session, tag)
            revise(session, tag, projects)
            change_mind(session, tag, projects)
        found = figures(session, tag)
    if any(found[name] != value for name, value in EXPECTED.items()):
        raise AssertionError(f"{found}, expected {EXPECTED}")
    print(json.dumps(found))


main()
