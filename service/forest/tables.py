"""Species and projects. Small: reference tables on Citus."""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Column
from sqlmodel import Field, SQLModel


class Species(SQLModel, table=True):
    """A kind of tree, with its scientific name and what it is called where it grows."""

    __tablename__ = "species"
    species: str = Field(primary_key=True, max_length=64)
    scientific_name: str
    local_name: str
    english_name: str
    price_points: int = Field(sa_column=Column(BigInteger, nullable=False))
    price_source: str


class Project(SQLModel, table=True):
    """Trees of one species at one place: its season, and how many are on offer and contracted."""

    __tablename__ = "project"
    __table_args__ = (
        CheckConstraint(
            "contracted >= 0 AND planted >= 0 AND surviving >= 0 AND contracted <= stock",
            name="project_is_not_oversold",
        ),
    )
    project: str = Field(primary_key=True, max_length=64)
    name: str
    species: str = Field(foreign_key="species.species")
    place: str
    region: str
    planting_partner: str
    opens_on: date
    closes_on: date
    stock: int = Field(sa_column=Column(BigInteger, nullable=False))
    contracted: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    planted: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
    surviving: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="0"))
