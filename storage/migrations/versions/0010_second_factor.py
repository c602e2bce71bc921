"""Coming in: second factors, recovery codes, API tokens, failures of addresses and unknown names"""

import sqlalchemy as sa
from alembic import op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')


def upgrade() -> None:
    op.add_column('session', sa.Column('pending', sa.Boolean(), server_default='0', nullable=False, comment='the code of the second factor is still due'))
    op.create_table('second_factor',
    sa.Column('user_id', _KEY, autoincrement=False, nullable=False),
    sa.Column('sealed', sa.LargeBinary(), nullable=False, comment='TOTP secret, sealed with keys/secrets.key'),
    sa.Column('created_us', sa.BigInteger(), nullable=False),
    sa.Column('confirmed_us', sa.BigInteger(), nullable=True, comment='NULL: no code was given yet, it does not count'),
    sa.Column('last_step', sa.BigInteger(), nullable=True, comment='RFC 6238 step of the last code taken; none before it'),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_second_factor_user_id')),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_second_factor'))
    )
    op.create_table('recovery_code',
    sa.Column('user_id', _KEY, autoincrement=False, nullable=False),
    sa.Column('code_hash', sa.String(length=64), nullable=False, comment='SHA-256; the code is never stored'),
    sa.Column('used_us', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_recovery_code_user_id')),
    sa.PrimaryKeyConstraint('user_id', 'code_hash', name=op.f('pk_recovery_code'))
    )
    op.create_table('api_token',
    sa.Column('id', _KEY, nullable=False),
    sa.Column('user_id', _KEY, nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False, comment='what it is for'),
    sa.Column('token_hash', sa.String(length=64), nullable=False, comment='SHA-256; the token is never stored'),
    sa.Column('verbs', sa.String(length=200), nullable=False, comment='of storage.rights, with commas between'),
    sa.Column('created_us', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.String(length=200), nullable=False),
    sa.Column('expires_us', sa.BigInteger(), nullable=False),
    sa.Column('used_us', sa.BigInteger(), nullable=True, comment='last seen, to the minute'),
    sa.Column('revoked_us', sa.BigInteger(), nullable=True),
    sa.Column('revoked_by', sa.String(length=200), nullable=True),
    sa.CheckConstraint('expires_us > created_us', name=op.f('ck_api_token_span')),
    sa.ForeignKeyConstraint(['user_id'], ['user.id'], name=op.f('fk_api_token_user_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_token')),
    sa.UniqueConstraint('token_hash', name=op.f('uq_api_token_token_hash'))
    )
    op.create_index('ix_api_token_user', 'api_token', ['user_id'])
    op.create_table('login_limit',
    sa.Column('key', sa.String(length=80), nullable=False, comment='peer:ADDRESS or name:SHA-256'),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('seen_us', sa.BigInteger(), nullable=False, comment='of the last failure'),
    sa.Column('locked_until_us', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('key', name=op.f('pk_login_limit'))
    )
    op.create_index('ix_login_limit_seen', 'login_limit', ['seen_us'])


def downgrade() -> None:
    for name in ('login_limit', 'api_token', 'recovery_code', 'second_factor'):
        op.drop_table(name)
    # A half login would be a whole one to the step before.
    op.execute('DELETE FROM session WHERE pending')
    with op.batch_alter_table('session', schema=None) as batch_op:
        batch_op.drop_column('pending')
