"""Login by OpenID Connect: people linked to a provider, states used up, what a session came by"""

import sqlalchemy as sa
from alembic import op

revision = '0015'
down_revision = '0014'
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.add_column('session', sa.Column('id_token', sa.LargeBinary(), nullable=True, comment='what the login provider said, sealed with keys/secrets.key; NULL: by password'))
    op.add_column('session', sa.Column('factor_elsewhere', sa.Boolean(), server_default='0', nullable=False, comment='a second factor that the login provider asked for counts'))
    op.add_column('session', sa.Column('proven_us', sa.BigInteger(), nullable=True, comment='when the login provider last asked who they are'))
    op.create_table('oidc_link',
    sa.Column('issuer', sa.String(length=500), nullable=False),
    sa.Column('subject', sa.String(length=255), nullable=False, comment='of the provider; never reassigned'),
    sa.Column('user_id', _KEY, nullable=False),
    sa.Column('created_us', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('used_us', sa.BigInteger(), nullable=True, comment='last login by it'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_oidc_link_user_id')),
    sa.PrimaryKeyConstraint('issuer', 'subject', name=op.f('pk_oidc_link')),
    sa.UniqueConstraint('issuer', 'user_id', name='uq_oidc_link_user')
    )
    op.create_table('oidc_state',
    sa.Column('state_hash', sa.String(length=64), nullable=False, comment='SHA-256'),
    sa.Column('until_us', sa.BigInteger(), nullable=False, comment="the browser's copy is worthless then"),
    sa.PrimaryKeyConstraint('state_hash', name=op.f('pk_oidc_state'))
    )
    op.create_index('ix_oidc_state_until', 'oidc_state', ['until_us'])


def downgrade() -> None:
    for name in ('oidc_state', 'oidc_link'):
        op.drop_table(name)
    # The step before would ask these for nothing that a password's session is asked for.
    op.execute('DELETE FROM session WHERE id_token IS NOT NULL')
    with op.batch_alter_table('session', schema=None) as batch_op:
        for name in ('id_token', 'factor_elsewhere', 'proven_us'):
            batch_op.drop_column(name)
