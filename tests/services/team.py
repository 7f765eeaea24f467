"""TEST EQUIPMENT: the set-up of docs/team.md: MLflow's server with passwords, in front of PostgreSQL."""

from pathlib import Path

from servers import PASSWORD, MlflowServer, Postgres

AUTHENTICATION = """[mlflow]
default_permission = READ
database_uri = {database}
admin_username = admin
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
"""


def team_server(folder: Path, cluster: Postgres) -> MlflowServer:
    """The server; its databases are made."""
    for database in ("mlflow", "mlflow_users"):
        cluster.ask(f"create database {database}")
    settings = folder / "authentication.ini"
    settings.write_text(
        AUTHENTICATION.format(database=cluster.uri("mlflow_users"), password=f"{PASSWORD}-admin")
    )
    return MlflowServer(
        folder,
        cluster.uri("mlflow"),
        {"MLFLOW_AUTH_CONFIG_PATH": str(settings), "MLFLOW_FLASK_SERVER_SECRET_KEY": "a long random text"},
        ("--app-name", "basic-auth", "--allowed-hosts", "127.0.0.1,127.0.0.1:*"),
    )


def login(server: MlflowServer, user: str = "admin", password: str = f"{PASSWORD}-admin") -> dict[str, str]:
    """What a client's environment needs."""
    return {
        "MLFLOW_TRACKING_URI": server.address,
        "MLFLOW_TRACKING_USERNAME": user,
        "MLFLOW_TRACKING_PASSWORD": password,
    }
